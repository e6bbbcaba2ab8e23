"""The folder of a study: whose it is, which jobs it has, and how far each of them is."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from digits.config import flatten
from digits.errors import InputError
from digits.files import write_json
from digits.runs.fingerprint import RESULT_NEUTRAL_KEYS, fingerprint
from digits.runs.folder import folder_lock
from digits.runs.metrics_file import read_metrics
from digits.studies.leaderboard import REPLICATE_KEYS, short_names


@dataclass(frozen=True, eq=False)
class Job:
    """One run of a study: the name of its folder, what a user would type to get it alone, its resolved settings."""

    name: str
    overrides: tuple[str, ...]
    settings: dict[str, Any]


class Study:
    """A folder outputs/<name>/ with a folder for each job.

    `fixed` are the settings that all jobs were asked for, key -> value; `varies` the keys of those that differ.
    """

    def __init__(self, name: str, folder: Path, fixed: Mapping[str, str], varies: Sequence[str]) -> None:
        self.name = name
        self.folder = folder
        self.varies = sorted(key for key in varies if key not in REPLICATE_KEYS)
        self.fixed = {
            key: fixed[key]
            for key in sorted(fixed)
            if key not in REPLICATE_KEYS and not key.startswith(RESULT_NEUTRAL_KEYS)
        }

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Makes the folder, or claims one that holds the same study.

        Raises InputError if it holds something else, or while another sweep is at work in it."""
        if (self.folder / "metrics.json").exists():
            raise InputError(f"{self.folder} holds a single run; choose another study=…")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.folder}: no folder can be made there ({error.strerror}); choose another study=…"
            ) from error
        with folder_lock(
            self.folder, f"another sweep is at work in {self.folder}; wait for it, or choose another study=…"
        ):
            self._claim()
            yield

    def _claim(self) -> None:
        record = self.folder / "study.json"
        if not record.exists():
            write_json({"varies": self.varies, "fixed": self.fixed}, record)
            return
        try:
            there = json.loads(record.read_text())
            was: dict[str, str] = {**there["fixed"], **dict.fromkeys(there["varies"], "several values")}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{record} is damaged; remove it if {self.folder} holds this very study") from error
        now = {**self.fixed, **dict.fromkeys(self.varies, "several values")}
        changes = [
            f"{key} {'has' if value == 'several values' else 'is'} {value or 'not set'} there"
            for key in sorted(was.keys() | now.keys())
            if (value := was.get(key, "not set")) != now.get(key, "not set")
        ]
        if changes:
            raise InputError(
                f"{self.folder} holds another study ({'; '.join(changes)}); "
                "choose another study=…, or remove that folder"
            )

    def metrics(self, job: Job) -> dict[str, Any]:
        """What the job's run left; nothing if it left nothing that can be read."""
        try:
            return read_metrics(self.folder / job.name / "metrics.json")
        except InputError:
            return {}

    def status(self, job: Job) -> str | None:
        """The one in its metrics; None if there is none."""
        return self.metrics(job).get("status")

    def damaged(self, jobs: Iterable[Job]) -> list[str]:
        """One line for each metrics.json that is there and cannot be read."""
        faults = []
        for job in jobs:
            path = self.folder / job.name / "metrics.json"
            if path.exists() and not self.metrics(job):
                faults.append(f"{path} is damaged: the job begins anew")
        return faults

    def is_running(self, job: Job) -> bool:
        """Whether some process is at work in the job's folder: one that outlived its sweep."""
        folder = self.folder / job.name
        if not folder.is_dir():
            return False
        try:
            with folder_lock(folder, ""):
                return False
        except InputError:
            return True

    def departures(self, jobs: Sequence[Job]) -> list[str]:
        """For finished jobs whose settings or code are not what they were: one line for each kind of change."""
        code, settings = [], {}
        for job in jobs:
            was = self.metrics(job).get("fingerprint")
            now = fingerprint(job.settings)
            if was is None or was == now:
                continue
            if was.get("settings") != now["settings"]:
                settings[job.name] = self._changes(job)
            else:
                code.append(job.name)
        keep = "kept as they are; to train them again, remove their folders or choose another study=…"
        lines = [f"{name} was finished with other settings ({why}) and is {keep}" for name, why in settings.items()]
        if code:
            names = ", ".join(code[:3]) + (", …" if len(code) > 3 else "")
            lines.append(f"{_jobs(len(code))} finished with another state of the code ({names}); {keep}")
        return lines

    def _changes(self, job: Job) -> str:
        was, now = flatten(self.metrics(job).get("config", {})), flatten(job.settings)
        changed = [
            f"{key} was {was.get(key)}, now {now.get(key)}"
            for key in sorted(was.keys() | now.keys())
            if was.get(key) != now.get(key) and not key.startswith(RESULT_NEUTRAL_KEYS)
        ]
        return "; ".join(changed[:3]) + ("; …" if len(changed) > 3 else "")


def job_name(varied: Mapping[str, object], seed: object) -> str:
    """The folder of a job: `optimizer-adam_max_epochs-5_seed-0`, from what varies in its study. No character in it
    needs quotes, neither in a shell nor in a Hydra override. The seed is always there, so that seeds can be added."""
    named = {**varied, "seed": seed}
    plain = "_".join(f"{key}-{value}" for key, value in zip(short_names(list(named)), named.values(), strict=True))
    name = re.sub(r"[^\w.+-]+", "-", plain.replace("'", "").replace('"', ""), flags=re.ASCII)
    if name == plain and len(name) <= 150:
        return name
    return f"{name[:140]}-{sha256(plain.encode()).hexdigest()[:6]}"


def _jobs(count: int) -> str:
    return "1 job was" if count == 1 else f"{count} jobs were"

"""A study: one folder, the settings that identify it, and its jobs."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from digits.errors import InputError
from digits.files import remove_partial_files, write_json
from digits.runs.fingerprint import RESULT_NEUTRAL_KEYS, relevant_settings, source_hash
from digits.runs.folder import RunFolder, folder_lock

REPLICATE_KEYS = ("seed", "data.seed", "data.split_seed", "data.fold")
"""Settings that differ between the runs of one configuration."""


@dataclass(frozen=True, eq=False)
class Job:
    """One run of a study: its folder, its overrides as a user would type them, its resolved configuration."""

    folder: RunFolder
    overrides: tuple[str, ...]
    config: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.path.name


class Study:
    """A folder outputs/<name>/ with one folder for each job. `fixed` maps settings that all jobs share to their values,
    `varies` names the settings with several values."""

    def __init__(self, name: str, folder: Path, fixed: Mapping[str, str], varies: Iterable[str]) -> None:
        self.name = name
        self.folder = folder
        self.fixed = {key: fixed[key] for key in sorted(fixed) if defines_configuration(key)}
        self.varies = sorted(set(varies) - set(REPLICATE_KEYS))

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Locks the folder, and creates it if necessary.

        Raises InputError if the folder holds anything but this study, or while another sweep runs in it."""
        if RunFolder(self.folder).metrics_path.exists():
            raise InputError(f"{self.folder} holds a single run; choose another study=…")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be created ({error.strerror}); choose another study=…") from error
        with folder_lock(self.folder, f"{self.folder}: another sweep is running; wait, or choose another study=…"):
            remove_partial_files(self.folder, "*")
            self._check_identity()
            yield

    def _check_identity(self) -> None:
        path = self.folder / "study.json"
        if not path.exists():
            write_json({"varies": self.varies, "fixed": self.fixed}, path)
            return
        try:
            content = json.loads(path.read_text())
            stored = {**content["fixed"], **dict.fromkeys(content["varies"], "(several values)")}
            if not all(isinstance(key, str) for key in stored):
                raise TypeError("keys")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path}: damaged; remove the file if {self.folder} holds the same study") from error
        current = {**self.fixed, **dict.fromkeys(self.varies, "(several values)")}
        if changed := [key for key in sorted(stored | current) if stored.get(key) != current.get(key)]:
            settings = ", ".join(f"{key}={stored.get(key, '(not set)')}" for key in changed)
            raise InputError(
                f"{self.folder} holds another study, with {settings}; choose another study=…, or remove that folder"
            )


def defines_configuration(key: str) -> bool:
    """Whether runs with different values of this setting are different configurations."""
    return key not in REPLICATE_KEYS and not key.startswith(RESULT_NEUTRAL_KEYS)


def changed_since_completed(jobs: Iterable[Job]) -> list[str]:
    """One line for each change of settings, or of the code, since jobs were completed."""
    changed = defaultdict(list)
    for job in jobs:
        metrics = job.folder.metrics()
        if metrics is None or not metrics.config:
            continue
        then, now = relevant_settings(metrics.config), relevant_settings(job.config)
        keys = [key for key in sorted(then | now) if then.get(key) != now.get(key)]
        changes = [f"{key} was {then.get(key)}, is {now.get(key)}" for key in keys]
        if not changes and metrics.fingerprint.get("code", source_hash()) != source_hash():
            changes = ["the code has changed"]
        if changes:
            changed["; ".join(changes[:3]) + ("; …" if len(changes) > 3 else "")].append(job.name)
    return [
        f"{plural(len(names), 'completed job')} kept, although {change}: {', '.join(names[:3])}"
        f"{', …' if len(names) > 3 else ''}; to train again, remove the folder or choose another study=…"
        for change, names in changed.items()
    ]


def job_name(varied: Mapping[str, object], seed: object) -> str:
    """The folder name of a job from the settings that vary: `optimizer-adam_max_epochs-5_seed-0`. Its characters need
    no quotes in a shell or a Hydra override. The seed is always included, so that seeds can be added later."""
    named = {**varied, "seed": seed}
    plain = "_".join(f"{key}-{value}" for key, value in zip(short_names(list(named)), named.values(), strict=True))
    name = re.sub(r"[^\w.+-]+", "-", plain.replace("'", "").replace('"', ""), flags=re.ASCII)
    if name == plain and len(name) <= 150:
        return name
    return f"{name[:140]}-{sha256(plain.encode()).hexdigest()[:6]}"


def short_names(keys: Sequence[str]) -> list[str]:
    """The last part of each dotted key; the full key if another one has the same last part."""
    last_parts = [key.rpartition(".")[2] for key in keys]
    return [part if last_parts.count(part) == 1 else key for key, part in zip(keys, last_parts, strict=True)]


def plural(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""A study: one folder, the settings that identify it, and its jobs."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from digits.config import flatten
from digits.errors import InputError, plural
from digits.files import remove_partial_files, write_json
from digits.runs.fingerprint import RESULT_NEUTRAL_KEYS, relevant_settings, source_hash
from digits.runs.folder import RunFolder, folder_lock
from digits.runs.metrics_file import RunMetrics
from digits.studies.values import (
    NUMBER,
    SweepValue,
    canonical,
    canonical_numbers,
    canonical_override,
    equal,
    is_quoted,
)
from digits.text_settings import TEXT_SETTINGS

# As in `label_smoothing-0.7000000000000001_seed-0`.
NUMBER_IN_NAME = re.compile(r"(?<=-)[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?=_|$)")
REPLICATE_KEYS = ("seed", "data.seed", "data.split_seed", "data.fold")
"""Settings that differ between the runs of one configuration."""
NOT_SET = "(not set)"


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

    def job_folder(self, varied: Mapping[str, SweepValue], config: Mapping[str, Any]) -> RunFolder:
        """The folder of the job with these values of the settings that vary. A folder that an earlier version has named
        otherwise is kept if its run has the same values."""
        seed = config["seed"]
        name = job_name({key: value.text for key, value in varied.items()}, seed)
        if (self.folder / name).exists():
            return RunFolder(self.folder / name)
        former_names = [_folder_name({key: value.former for key, value in varied.items()}, seed)]
        if name in self._former_names:
            former_names.append(self._former_names[name])
        for former_name in former_names:
            if former_name != name and _has_values(self.folder / former_name, varied, config):
                return RunFolder(self.folder / former_name)
        return RunFolder(self.folder / name)

    @cached_property
    def _former_names(self) -> dict[str, str]:
        """The names of existing folders with numbers that are now written otherwise, by their present names."""
        if not self.folder.is_dir():
            return {}
        names = {}
        for path in self.folder.iterdir():
            present_name = NUMBER_IN_NAME.sub(_canonical_match, path.name)
            names[present_name] = path.name
        return names

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
        """Raises InputError if study.json describes another study, and writes it if it does not exist."""
        path = self.folder / "study.json"
        if not path.exists():
            write_json({"varies": self.varies, "fixed": self.fixed}, path)
            return
        stored = _canonical_keys(self._read_identity(path))
        current = _canonical_keys(_identity(self.fixed, self.varies))
        differing = []
        for key in sorted(stored | current):
            then = stored.get(key, NOT_SET)
            now = current.get(key, NOT_SET)
            if canonical_override(str(then)) != canonical_override(str(now)):
                differing.append(f"{key}={then}")
        if differing:
            raise InputError(
                f"{self.folder} holds another study, with {', '.join(differing)}; choose another study=…, "
                "or remove that folder"
            )

    def _read_identity(self, path: Path) -> dict[str, object]:
        try:
            content = json.loads(path.read_text())
            stored = _identity(content["fixed"], content["varies"])
            if not all(isinstance(key, str) for key in stored):
                raise TypeError("keys")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path}: damaged; remove the file if {self.folder} holds the same study") from error
        return stored


def defines_configuration(key: str) -> bool:
    """Whether runs with different values of this setting are different configurations."""
    return key not in REPLICATE_KEYS and not key.startswith(RESULT_NEUTRAL_KEYS)


def changed_since_completed(completed: Mapping[Job, RunMetrics]) -> list[str]:
    """One line for each change of settings, or of the code, since jobs were completed."""
    names = defaultdict(list)
    for job, metrics in completed.items():
        change = _describe_change(job, metrics)
        if change:
            names[change].append(job.name)
    lines = []
    for change, changed in names.items():
        kept = f"{plural(len(changed), 'completed job')} kept, although {change}: {_first_three(changed, ', ')}"
        lines.append(f"{kept}; to train again, remove the folder or choose another study=…")
    return lines


def _describe_change(job: Job, metrics: RunMetrics) -> str:
    """The changed settings of a completed job, or else that the code has changed; "" if nothing has."""
    if not metrics.config:
        return ""
    then = relevant_settings(metrics.config)
    now = relevant_settings(job.config)
    changed = [key for key in sorted(then | now) if not equal(then.get(key), now.get(key))]
    changes = [f"{key} was {then.get(key)}, is {now.get(key)}" for key in changed]
    if changes:
        return _first_three(changes, "; ")
    same_code = metrics.fingerprint.get("code", source_hash()) == source_hash()
    return "" if same_code else "the code has changed"


def _first_three(parts: Sequence[str], separator: str) -> str:
    shown = list(parts[:3])
    if len(parts) > 3:
        shown.append("…")
    return separator.join(shown)


def job_name(varied: Mapping[str, object], seed: object) -> str:
    """The folder name of a job from the settings that vary: `optimizer-adam_max_epochs-5_seed-0`. Equal values have
    equal names. Its characters need no quotes in a shell or a Hydra override. The seed is always included, so that
    seeds can be added later."""
    return _folder_name({key: _in_name(key, str(value)) for key, value in varied.items()}, seed)


def short_names(keys: Sequence[str]) -> list[str]:
    """The last part of each dotted key; the full key if another one has the same last part."""
    last_parts = [key.rpartition(".")[2] for key in keys]
    names = []
    for key, last_part in zip(keys, last_parts, strict=True):
        is_unique = last_parts.count(last_part) == 1
        names.append(last_part if is_unique else key)
    return names


def _identity(fixed: Mapping[str, object], varies: Iterable[str]) -> dict[str, object]:
    """The settings by which two studies differ."""
    return {**fixed, **dict.fromkeys(varies, "(several values)")}


def _canonical_keys(settings: Mapping[str, object]) -> dict[str, object]:
    """A range is part of a key, `optimizer.lr=interval(1e-4,1)`, and may be written otherwise."""
    return {canonical_override(key): value for key, value in settings.items()}


def _canonical_match(number: re.Match[str]) -> str:
    return canonical(number[0])


def _has_values(folder: Path, varied: Iterable[str], config: Mapping[str, Any]) -> bool:
    """Whether the run in a folder has the values of these settings that a configuration has."""
    metrics = RunFolder(folder).metrics()
    if metrics is None:
        return False
    then = flatten(metrics.config)
    now = flatten(config)
    return all(equal(then.get(key), now.get(key)) for key in varied)


def _in_name(key: str, text: str) -> str:
    """The text of an override as a part of a folder name: numbers in canonical form, without needless quotes."""
    if not is_quoted(text):
        return canonical_numbers(text)
    inner = text[1:-1]
    is_plain_text = key in TEXT_SETTINGS or not NUMBER.fullmatch(inner)
    return inner if is_plain_text else text


def _folder_name(varied: Mapping[str, object], seed: object) -> str:
    named = {**varied, "seed": seed}
    names = short_names(list(named))
    plain = "_".join(f"{name}-{value}" for name, value in zip(names, named.values(), strict=True))
    without_quotes = plain.replace("'", "").replace('"', "")
    safe = re.sub(r"[^\w.+-]+", "-", without_quotes, flags=re.ASCII)
    if safe == plain and len(safe) <= 150:
        return safe
    return f"{safe[:140]}-{sha256(plain.encode()).hexdigest()[:6]}"

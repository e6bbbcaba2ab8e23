"""The results of runs, from their metrics.json."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeGuard

from digits.errors import InputError
from digits.runs.fingerprint import all_settings
from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics, read_metrics
from digits.studies.study import defines_configuration
from digits.studies.values import canonical, canonical_setting, is_quoted


class RunResult:
    """One run: its folder, its metrics, its settings in canonical form, and its numbers by name, as `val_error`.

    `config` has only the settings that define a configuration. Only a completed run has numbers."""

    def __init__(self, folder: Path, metrics: RunMetrics) -> None:
        self.folder = folder
        self.files = RunFolder(folder)
        self.metrics = metrics
        config = _canonical_settings(all_settings(metrics.config))
        self.config = {key: value for key, value in config.items() if defines_configuration(key)}
        self.overrides = _canonical_overrides(metrics.overrides)
        self.settings = {**self.overrides, **config, **_canonical_settings(metrics.choices)}
        self.numbers = _numbers(metrics)

    def setting(self, key: str) -> str:
        """A selected config group or a value; "" if the run has none."""
        return self.settings.get(key, "")

    def values(self, keys: Iterable[str]) -> tuple[str, ...]:
        """The values of several settings."""
        return tuple(self.setting(key) for key in keys)


def read_results(
    folders: Iterable[Path], known: Mapping[Path, RunResult] | None = None
) -> tuple[list[RunResult], list[str]]:
    """The runs in and below the folders, ordered by name, and one line for each metrics.json that cannot be read.

    `known` results, by the folder of the run, are not read again. Raises InputError if a folder does not exist."""
    known = known or {}
    results = []
    unreadable = []
    for path in _find_metrics(folders):
        folder = path.parent
        if folder in known:
            results.append(known[folder])
            continue
        try:
            results.append(RunResult(folder, read_metrics(path)))
        except InputError as error:
            unreadable.append(str(error))
    return results, unreadable


def read_result(files: RunFolder) -> RunResult | None:
    """The run in a folder; None if it has no metrics.json that can be read."""
    metrics = files.metrics()
    return None if metrics is None else RunResult(files.path, metrics)


@cache
def natural_key(text: str) -> list[tuple[bool, float, str]]:
    """Sorts 5 before 10."""
    parts = []
    for word in text.replace("_", " _ ").replace("-", " - ").split():
        try:
            parts.append((False, float(word), ""))
        except ValueError:
            parts.append((True, 0.0, word))
    return parts


def _find_metrics(folders: Iterable[Path]) -> list[Path]:
    """The metrics.json files in and below the folders. A file that is found twice is listed once."""
    paths: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        is_study = (folder / "study.json").exists()
        found = folder.glob("*/metrics.json") if is_study else folder.rglob("metrics.json")
        for path in sorted(found, key=_folder_order):
            paths.setdefault(os.path.realpath(path), path)
    return list(paths.values())


def _folder_order(path: Path) -> list[tuple[bool, float, str]]:
    return natural_key(str(path.parent))


def _canonical_overrides(overrides: Sequence[object]) -> dict[str, str]:
    """The values of overrides by their keys. Older runs recorded text with and without quotes."""
    values = {}
    for override in overrides:
        key, _, text = str(override).lstrip("+").partition("=")
        if is_quoted(text):
            values[key] = canonical_setting(text[1:-1])
        else:
            values[key] = canonical(text.strip("'\""))
    return values


def _canonical_settings(settings: Mapping[str, object]) -> dict[str, str]:
    return {key: canonical_setting(value) for key, value in settings.items()}


def _numbers(metrics: RunMetrics) -> dict[str, float]:
    """The scores and times of a completed run. metrics.json is not trusted: text and infinite values are left out."""
    if not metrics.completed:
        return {}
    found: dict[str, object] = {}
    for stage, score in (("val", metrics.val), ("test", metrics.test)):
        for name, value in (score or {}).items():
            found[f"{stage}_{name}"] = value
    found["fit_seconds"] = metrics.seconds["fit"]
    found["images_per_second"] = metrics.images_per_second
    return {name: value for name, value in found.items() if _is_number(value)}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and -1e300 < value < 1e300

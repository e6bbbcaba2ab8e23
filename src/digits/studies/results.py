"""The results of runs, and their statistics over the runs of one configuration."""

import math
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from digits.errors import InputError
from digits.runs.fingerprint import all_settings
from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics, read_metrics
from digits.studies.study import defines_configuration
from digits.studies.values import canonical, canonical_setting, is_quoted


class RunResult:
    """One run: its folder, its metrics, its settings in canonical form, and its numbers by the name of their column,
    as `val_error`. Only a completed run has numbers."""

    def __init__(self, folder: Path, metrics: RunMetrics) -> None:
        self.folder = folder
        self.files = RunFolder(folder)
        self.metrics = metrics
        overrides = (str(override).lstrip("+").partition("=") for override in metrics.overrides)
        self.overrides = {key: _override_value(text) for key, _, text in overrides}
        config = {key: canonical_setting(value) for key, value in all_settings(metrics.config).items()}
        self.config = {key: value for key, value in config.items() if defines_configuration(key)}
        choices = {group: canonical_setting(choice) for group, choice in metrics.choices.items()}
        self.settings = {**self.overrides, **config, **choices}
        numbers: dict[str, object] = {}
        if metrics.completed:
            scores = {"val": metrics.val or {}, "test": metrics.test or {}}
            numbers = {f"{stage}_{name}": value for stage, score in scores.items() for name, value in score.items()}
            numbers |= {"fit_seconds": metrics.seconds["fit"], "images_per_second": metrics.images_per_second}
        self.numbers = {k: v for k, v in numbers.items() if isinstance(v, int | float) and -1e300 < v < 1e300}

    def setting(self, key: str) -> str:
        """A selected config group or a value; "" if the run has none."""
        return self.settings.get(key, "")


def _override_value(text: str) -> str:
    """The value of an override in canonical form. Older runs recorded text with and without quotes."""
    return canonical_setting(text[1:-1]) if is_quoted(text) else canonical(text.strip("'\""))


class MeanStd(NamedTuple):
    """Mean and sample standard deviation; `std` is None for a single value."""

    mean: float
    std: float | None

    @classmethod
    @cache
    def from_values(cls, values: tuple[float, ...]) -> "MeanStd | None":
        if not values:
            return None
        return cls(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        """In percent."""
        deviation = "" if self.std is None else f" ± {100 * self.std:.2f}"
        return f"{100 * self.mean:.2f}{deviation} %"


class Configuration:
    """Runs with equal `values` of the settings that vary."""

    def __init__(self, values: tuple[str, ...], runs: Sequence[RunResult]) -> None:
        self.values = values
        self.completed = [run for run in runs if run.metrics.completed]
        self.pruned = [run for run in runs if run.metrics.status == "pruned"]
        self.failed = [run for run in runs if run.metrics.status == "failed"]
        self.val_error = MeanStd.from_values(self.numbers("val_error"))
        self.test_error = MeanStd.from_values(self.numbers("test_error"))
        self.seeds = sorted({run.setting("seed") for run in self.completed}, key=natural_key)
        reasons = (" ".join(str(run.metrics.reason).split()) for run in (*self.pruned, *self.failed))
        self.reasons = "; ".join(dict.fromkeys(reasons))

    def numbers(self, name: str) -> tuple[float, ...]:
        """A number of each completed run that has it; none beside pruned runs: only the better ones are left."""
        completed = () if self.pruned else self.completed
        return tuple(run.numbers[name] for run in completed if name in run.numbers)

    def median(self, name: str) -> float | None:
        numbers = self.numbers(name)
        return statistics.median(numbers) if numbers else None

    @cached_property
    def folds(self) -> dict[str, list[RunResult]]:
        """The completed runs by seed if each seed has every fold of one split exactly once; otherwise empty."""
        by_seed = defaultdict(list)
        for run in self.completed:
            by_seed[run.setting("seed")].append(run)
        splits = {(run.setting("data.folds"), run.setting("data.split_seed")) for run in self.completed}
        complete = len(splits) == 1 and all(
            [folds for folds, _ in splits] == [str(len(runs))]
            and {run.setting("data.fold") for run in runs if {"val_total", "val_error"} <= run.numbers.keys()}
            == {*map(str, range(len(runs)))}
            for runs in by_seed.values()
        )
        return dict(by_seed) if complete else {}

    @cached_property
    def val_interval(self) -> tuple[float, float] | None:
        """95 % interval of the validation error: Student's t for the mean of several runs, Wilson's for one run or for
        all folds of one split, in which each digit is predicted once."""
        if self.val_error is None:
            return None
        mean, std = self.val_error
        if std is None:
            return self.numbers("val_low")[0], self.numbers("val_high")[0]
        if len(self.folds) == 1:
            from digits.evaluation.score import Score  # imported late: SciPy takes a second

            totals = self.numbers("val_total")
            errors = sum(round(e * total) for e, total in zip(self.numbers("val_error"), totals, strict=True))
            if 0 <= errors <= sum(totals) > 0:  # metrics.json is not trusted
                return Score(errors, round(sum(totals))).interval
        from scipy.stats import t

        count = len(self.numbers("val_error"))
        low, high = (mean + float(bound) * std / math.sqrt(count) for bound in t.interval(0.95, count - 1))
        return max(0.0, low), min(1.0, high)

    @property
    def rank(self) -> tuple[Any, ...]:
        """By validation error; then configurations without one, by their values; then pruned, then failed ones."""
        error = self.val_error
        return (
            not (self.completed or self.pruned),
            bool(self.pruned),
            error is None,
            error and error.mean,
            [natural_key(value) for value in self.values],
        )


def read_results(folders: Iterable[Path]) -> tuple[list[RunResult], list[str]]:
    """The runs in and below the folders, ordered by name, and one line for each metrics.json that cannot be read.

    Raises InputError if a folder does not exist."""
    paths: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        found = folder.glob("*/metrics.json") if (folder / "study.json").exists() else folder.rglob("metrics.json")
        for path in sorted(found, key=lambda path: natural_key(str(path.parent))):
            paths.setdefault(os.path.realpath(path), path)
    results, unreadable = [], []
    for path in paths.values():
        try:
            results.append(RunResult(path.parent, read_metrics(path)))
        except InputError as error:
            unreadable.append(str(error))
    return results, unreadable


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

"""The statistics of one configuration over its runs."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

from digits.studies.results import RunResult, natural_key

Interval = tuple[float, float]


class MeanStd(NamedTuple):
    """Mean and sample standard deviation; `std` is None for a single value."""

    mean: float
    std: float | None

    @classmethod
    @cache
    def from_values(cls, values: tuple[float, ...]) -> "MeanStd | None":
        """None without values."""
        if not values:
            return None
        mean = statistics.mean(values)
        if len(values) == 1:
            return cls(mean, None)
        return cls(mean, statistics.stdev(values))

    def __str__(self) -> str:
        """In percent."""
        if self.std is None:
            return f"{100 * self.mean:.2f} %"
        return f"{100 * self.mean:.2f} ± {100 * self.std:.2f} %"


class Configuration:
    """Runs with equal `values` of the settings that vary."""

    def __init__(self, values: tuple[str, ...], runs: Sequence[RunResult]) -> None:
        self.values = values
        self.completed = [run for run in runs if run.metrics.completed]
        self.pruned = [run for run in runs if run.metrics.status == "pruned"]
        self.failed = [run for run in runs if run.metrics.status == "failed"]
        self.val_error = self.mean_std("val_error")
        self.test_error = self.mean_std("test_error")
        self.fit_seconds = self.median("fit_seconds")
        self.images_per_second = self.median("images_per_second")

    @property
    def seeds(self) -> list[str]:
        """The seeds of the completed runs."""
        seeds = {run.setting("seed") for run in self.completed}
        return sorted(seeds, key=natural_key)

    @property
    def reasons(self) -> str:
        """Why runs were pruned or have failed, each reason once."""
        lines = [" ".join(str(run.metrics.reason).split()) for run in (*self.pruned, *self.failed)]
        return "; ".join(dict.fromkeys(lines))

    def numbers(self, name: str) -> tuple[float, ...]:
        """This quantity of the completed runs that have it. Empty if a run of the row was pruned, because only the
        better runs would remain."""
        if self.pruned:
            return ()
        return tuple(run.numbers[name] for run in self.completed if name in run.numbers)

    def mean_std(self, name: str) -> MeanStd | None:
        return MeanStd.from_values(self.numbers(name))

    def median(self, name: str) -> float | None:
        numbers = self.numbers(name)
        return statistics.median(numbers) if numbers else None

    @cached_property
    def folds(self) -> dict[str, list[RunResult]]:
        """The completed runs by seed, if each seed has every fold of one split exactly once; otherwise empty."""
        splits = {run.values(["data.folds", "data.split_seed"]) for run in self.completed}
        if len(splits) != 1:
            return {}
        [(fold_count, _)] = splits
        by_seed = defaultdict(list)
        for run in self.completed:
            by_seed[run.setting("seed")].append(run)
        for runs in by_seed.values():
            expected_folds = {str(fold) for fold in range(len(runs))}
            if fold_count != str(len(runs)) or _validated_folds(runs) != expected_folds:
                return {}
        return dict(by_seed)

    @cached_property
    def val_interval(self) -> Interval | None:
        """95 % interval of the validation error: Student's t for the mean of several runs, Wilson's for one run or for
        all folds of one split, in which each digit is predicted once."""
        if self.val_error is None:
            return None
        if self.val_error.std is None:
            return _interval_of_run(self.numbers("val_low"), self.numbers("val_high"))
        if len(self.folds) == 1:
            interval = _wilson_interval(self.numbers("val_error"), self.numbers("val_total"))
            if interval is not None:
                return interval
        count = len(self.numbers("val_error"))
        return _student_interval(self.val_error.mean, self.val_error.std, count)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Sorts by validation error, then configurations without one by their values, then pruned, then failed ones."""
        has_result = bool(self.completed or self.pruned)
        error = 0.0 if self.val_error is None else self.val_error.mean
        values = [natural_key(value) for value in self.values]
        return (not has_result, bool(self.pruned), self.val_error is None, error, values)


def _validated_folds(runs: Sequence[RunResult]) -> set[str]:
    folds = set()
    for run in runs:
        if "val_error" in run.numbers and "val_total" in run.numbers:
            folds.add(run.setting("data.fold"))
    return folds


def _interval_of_run(lows: Sequence[float], highs: Sequence[float]) -> Interval | None:
    """Of the only run. None if metrics.json has no finite number for it."""
    return (lows[0], highs[0]) if lows and highs else None


def _wilson_interval(error_rates: Sequence[float], totals: Sequence[float]) -> Interval | None:
    """Of the summed mistakes of several runs. None for impossible numbers, because metrics.json is not trusted."""
    from digits.evaluation.score import Score  # imported late: SciPy takes a second

    errors = 0
    for error_rate, total in zip(error_rates, totals, strict=True):
        errors += round(error_rate * total)
    total = sum(totals)
    if total <= 0 or not 0 <= errors <= total:
        return None
    return Score(errors, round(total)).interval


def _student_interval(mean: float, std: float, count: int) -> Interval:
    """Of the mean of `count` runs."""
    from scipy.stats import t

    low, high = t.interval(0.95, count - 1)
    root = math.sqrt(count)
    return max(0.0, mean + float(low) * std / root), min(1.0, mean + float(high) * std / root)

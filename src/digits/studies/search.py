"""A search over ranges of settings with Optuna."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override

from digits.errors import InputError
from digits.files import write_json
from digits.runs.folder import errors_by_epoch
from digits.studies.study import Job
from digits.studies.values import canonical_override, override_values, rounded

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.trial import TrialState
except ModuleNotFoundError as error:
    raise InputError("hydra/sweeper=optuna needs Optuna: pip install -e '.[search]'") from error

optuna.logging.set_verbosity(optuna.logging.WARNING)


def to_distribution(override: Override) -> BaseDistribution:
    """interval(a, b) for floats, int(interval(a, b)) for integers, either in tag(log, …) for a logarithmic scale; or a
    list of choices."""
    value = override.value()
    if not isinstance(value, IntervalSweep):
        return CategoricalDistribution(tuple(value.text for value in override_values(override)))
    is_int = isinstance(value.start, int) and isinstance(value.end, int)
    low, high = rounded(value.start), rounded(value.end)
    try:
        return (IntDistribution if is_int else FloatDistribution)(low, high, log="log" in value.tags)
    except ValueError as error:
        raise InputError(f"{override.input_line}: {error}") from error


class Search:
    """The trials of a study. A proposal depends only on the seed and on the results of earlier trials; `search.json`
    keeps the proposals, so that a killed search resumes with the trials it had started."""

    def __init__(self, path: Path, distributions: Mapping[str, BaseDistribution], seed: int) -> None:
        self.path = path
        self.distributions = dict(distributions)
        self.seed = seed
        self.trials = self._read()
        self.errors: dict[int, float | None] = {}
        """mean validation error by number of the trial; None if the trial failed or was pruned"""
        self.curves: dict[int, list[float | None]] = {}
        """the mean validation error of each epoch that all jobs of the trial have completed"""
        self.pruned: set[int] = set()

    def ask(self, trials: int, batch_size: int) -> dict[int, dict[str, str]]:
        """Number and settings of the trials to run next: those without a result, or else up to `batch_size` new ones
        until there are `trials`. Empty at the end."""
        pending = [number for number in range(min(len(self.trials), trials)) if number not in self.errors]
        if not pending and len(self.trials) < trials:
            pending = list(range(len(self.trials), min(len(self.trials) + batch_size, trials)))
            study = self._optuna_study()
            self.trials += [self._rounded(study.ask(self.distributions).params) for _ in pending]
            write_json(self.trials, self.path)
        return {number: {key: str(value) for key, value in self.trials[number].items()} for number in pending}

    def tell(self, number: int, jobs: Sequence[Job]) -> None:
        """Reads the result of a trial: the mean validation error of its jobs. A trial is pruned if one of them is."""
        runs = [metrics for job in jobs if (metrics := job.folder.metrics()) and metrics.ended]
        errors = [score["error"] for metrics in runs if (score := metrics.score("val"))]
        self.errors[number] = statistics.mean(errors) if len(errors) == len(jobs) else None
        if len(runs) == len(jobs):
            curves = [job.folder.validation_errors() for job in jobs]
            self.curves[number] = [_mean(errors) for errors in zip(*curves, strict=False)]
            if not all(metrics.completed for metrics in runs):
                self.pruned.add(number)

    def earlier_curves(self, number: int) -> list[list[float | None]]:
        """The validation errors by epoch of the completed trials before this one; None for epochs without one."""
        completed = [earlier for earlier in range(number) if self.errors.get(earlier) is not None]
        curves = [self.curves.get(earlier, []) for earlier in completed]
        return [curve for curve in curves if any(error is not None for error in curve)]

    def _optuna_study(self) -> optuna.Study:
        sampler = optuna.samplers.TPESampler(seed=self.seed + len(self.trials), constant_liar=True)
        study = optuna.create_study(sampler=sampler)
        for number, params in enumerate(self.trials):
            error = self.errors[number]
            state = TrialState.FAIL if error is None else TrialState.COMPLETE
            study.add_trial(
                optuna.create_trial(
                    state=TrialState.PRUNED if number in self.pruned else state,
                    value=error,
                    params=params,
                    distributions=self.distributions,
                    intermediate_values=errors_by_epoch(self.curves.get(number, ())),
                )
            )
        return study

    def _rounded(self, params: dict[str, Any]) -> dict[str, Any]:
        """Floats with four significant digits, within their range."""
        for key, range_ in self.distributions.items():
            if isinstance(range_, FloatDistribution):
                params[key] = min(max(float(f"{params[key]:.4g}"), range_.low), range_.high)
        return params

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        try:
            trials: list[dict[str, Any]] = json.loads(self.path.read_text())
            for params in trials:
                for key in params.keys() & self.distributions.keys():
                    params[key] = _as_written_now(self.distributions[key], params[key])
            valid = (
                isinstance(trials, list)
                and all(params.keys() == self.distributions.keys() for params in trials)
                and all(_contains(self.distributions[key], value) for params in trials for key, value in params.items())
            )
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            valid = False
        if not valid:  # its values become settings: only those that are searched, within their ranges
            raise InputError(f"{self.path}: damaged; remove the folder, or choose another study=…")
        return trials


def _as_written_now(distribution: BaseDistribution, value: Any) -> Any:
    """A stored value, which an earlier version may not have rounded."""
    if isinstance(distribution, CategoricalDistribution):
        for choice in distribution.choices:
            if canonical_override(str(choice)) == canonical_override(value):
                return choice
        return value
    return rounded(value)


def _contains(distribution: BaseDistribution, value: object) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    kinds = (float, int) if isinstance(distribution, FloatDistribution) else (int,)
    return type(value) in kinds and distribution.low <= value <= distribution.high  # type: ignore[operator]


def _mean(errors: Sequence[float | None]) -> float | None:
    """The mean over the jobs of a trial; None for an epoch that one of them did not validate."""
    known = [error for error in errors if error is not None]
    return statistics.mean(known) if len(known) == len(errors) else None

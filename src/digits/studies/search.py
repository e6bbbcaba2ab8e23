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
from digits.studies.results import RunResult
from digits.studies.values import canonical_override, rounded

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.trial import TrialState
except ModuleNotFoundError as error:
    raise InputError("hydra/sweeper=optuna needs Optuna: pip install -e '.[search]'") from error

optuna.logging.set_verbosity(optuna.logging.WARNING)


def to_distribution(override: Override, choices: Sequence[str]) -> BaseDistribution:
    """interval(a, b) for floats, int(interval(a, b)) for integers, either in tag(log, …) for a logarithmic scale; or
    the `choices` of any other sweep."""
    sweep = override.value()
    if not isinstance(sweep, IntervalSweep):
        return CategoricalDistribution(choices)
    low = rounded(sweep.start)
    high = rounded(sweep.end)
    log = "log" in sweep.tags
    try:
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(low, high, log=log)
    except ValueError as error:
        raise InputError(f"{override.input_line}: {error}") from error


class Search:
    """The trials of a study. A proposal depends only on the seed and on the results of earlier trials; `search.json`
    keeps the proposals, so that a killed search resumes with the trials it had started."""

    def __init__(self, path: Path, distributions: Mapping[str, BaseDistribution], seed: int) -> None:
        self.path = path
        self.distributions = dict(distributions)
        self.seed = seed
        self.trials = _read_trials(path, self.distributions)
        self.errors: dict[int, float | None] = {}
        """mean validation error by number of the trial; None if the trial failed or was pruned"""
        self.curves: dict[int, list[float | None]] = {}
        """the mean validation error of each epoch that all jobs of the trial have completed"""
        self.pruned: set[int] = set()

    def ask(self, trials: int, batch_size: int) -> dict[int, dict[str, str]]:
        """Number and settings of the trials to run next: those without a result, or else up to `batch_size` new ones
        until there are `trials`. Empty at the end."""
        proposed = min(len(self.trials), trials)
        pending = [number for number in range(proposed) if number not in self.errors]
        if not pending and proposed < trials:
            pending = list(range(proposed, min(proposed + batch_size, trials)))
            self._propose(len(pending))
        return {number: _as_text(self.trials[number]) for number in pending}

    def tell(self, number: int, results: Sequence[RunResult | None]) -> None:
        """Adds the results of the jobs of a trial, None for a job without one. The error of a trial is the mean
        validation error of its jobs. A trial is pruned if one of them is."""
        ended = [run for run in results if run is not None and run.metrics.ended]
        errors = []
        for run in ended:
            score = run.metrics.score("val")
            if score is not None:
                errors.append(score["error"])
        self.errors[number] = statistics.mean(errors) if len(errors) == len(results) else None
        if len(ended) == len(results):
            curves = [run.files.validation_errors() for run in ended]
            self.curves[number] = _mean_curve(curves)
            if not all(run.metrics.completed for run in ended):
                self.pruned.add(number)

    def earlier_curves(self, number: int) -> list[list[float | None]]:
        """The validation errors by epoch of the completed trials before this one; None for epochs without one."""
        curves = []
        for earlier in range(number):
            curve = self.curves.get(earlier, [])
            is_completed = self.errors.get(earlier) is not None
            if is_completed and any(error is not None for error in curve):
                curves.append(curve)
        return curves

    def _propose(self, count: int) -> None:
        """Adds new trials, and stores them before they start."""
        study = self._optuna_study()
        for _ in range(count):
            params = study.ask(self.distributions).params
            self.trials.append(_rounded_params(params, self.distributions))
        write_json(self.trials, self.path)

    def _optuna_study(self) -> optuna.Study:
        """Optuna's view of the trials and their results."""
        sampler = optuna.samplers.TPESampler(seed=self.seed + len(self.trials), constant_liar=True)
        study = optuna.create_study(sampler=sampler)
        for number, params in enumerate(self.trials):
            trial = optuna.create_trial(
                state=self._state(number),
                value=self.errors[number],
                params=params,
                distributions=self.distributions,
                intermediate_values=errors_by_epoch(self.curves.get(number, ())),
            )
            study.add_trial(trial)
        return study

    def _state(self, number: int) -> TrialState:
        if number in self.pruned:
            return TrialState.PRUNED
        if self.errors[number] is None:
            return TrialState.FAIL
        return TrialState.COMPLETE


def _as_text(params: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in params.items()}


def _mean_curve(curves: Sequence[Sequence[float | None]]) -> list[float | None]:
    """The mean over the jobs of a trial by epoch; None for an epoch that one of them did not validate."""
    means = []
    for errors in zip(*curves, strict=False):  # up to the last epoch that all have completed
        known = [error for error in errors if error is not None]
        means.append(statistics.mean(known) if len(known) == len(errors) else None)
    return means


def _rounded_params(params: dict[str, Any], distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Floats with four significant digits, within their range."""
    for key, distribution in distributions.items():
        if isinstance(distribution, FloatDistribution):
            value = float(f"{params[key]:.4g}")
            params[key] = min(max(value, distribution.low), distribution.high)
    return params


def _read_trials(path: Path, distributions: Mapping[str, BaseDistribution]) -> list[dict[str, Any]]:
    """The stored trials; none if the file does not exist.

    Raises InputError if it is damaged. Its values become settings: only those that are searched, within their ranges.
    """
    if not path.exists():
        return []
    try:
        trials = json.loads(path.read_text())
        if not isinstance(trials, list):
            raise TypeError("trials")
        return [_check_params(params, distributions) for params in trials]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: damaged; remove the folder, or choose another study=…") from error


def _check_params(params: dict[str, Any], distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """The settings of a stored trial, as they are written now. Raises ValueError for others than the searched ones."""
    if params.keys() != distributions.keys():
        raise ValueError("keys")
    checked = {}
    for key, value in params.items():
        distribution = distributions[key]
        checked[key] = _as_written_now(distribution, value)
        if not _contains(distribution, checked[key]):
            raise ValueError(key)
    return checked


def _as_written_now(distribution: BaseDistribution, value: Any) -> Any:
    """A stored value, which an earlier version may not have rounded."""
    if not isinstance(distribution, CategoricalDistribution):
        return rounded(value)
    for choice in distribution.choices:
        if canonical_override(str(choice)) == canonical_override(value):
            return choice
    return value


def _contains(distribution: BaseDistribution, value: object) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    if isinstance(distribution, FloatDistribution) and type(value) in (float, int):
        return distribution.low <= value <= distribution.high  # type: ignore[operator]
    if isinstance(distribution, IntDistribution) and type(value) is int:
        return distribution.low <= value <= distribution.high
    return False

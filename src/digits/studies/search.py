"""A search over ranges of settings: Optuna proposes, the runs' validation errors answer."""

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override

from digits.errors import InputError
from digits.files import write_json
from digits.studies.study import Job, Study

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
except ModuleNotFoundError as error:
    raise InputError("hydra/sweeper=optuna needs Optuna: pip install -e '.[search]'") from error

optuna.logging.set_verbosity(optuna.logging.WARNING)


def space(override: Override) -> BaseDistribution:
    """What to draw from: interval(a, b), int(interval(a, b)) for whole numbers, tag(log, …) around either to draw
    evenly in the logarithm; or any of the values listed."""
    value = override.value()
    if not isinstance(value, IntervalSweep):
        return CategoricalDistribution(tuple(override.sweep_string_iterator()))
    log = "log" in value.tags
    try:
        if isinstance(value.start, int) and isinstance(value.end, int):
            return IntDistribution(value.start, value.end, log=log)
        return FloatDistribution(float(value.start), float(value.end), log=log)  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(f"{override.input_line}: {error}") from error


class Search:
    """The trials of a study, kept in its search.json: what was proposed, so that a killed search goes on."""

    def __init__(self, study: Study, distributions: Mapping[str, BaseDistribution], seed: int) -> None:
        self.study = study
        self.distributions = dict(distributions)
        self.seed = seed
        self.path = study.folder / "search.json"
        self.proposed: list[dict[str, Any]] = self._read()
        self.values: dict[int, float | None] = {}  # of the trials that have ended; None: failed

    def next(self, trials: int, at_once: int) -> dict[int, dict[str, str]]:
        """Number and settings of the trials to run now: those begun before, else at most `at_once` new ones until there
        are `trials`; none at the end."""
        open_trials = [number for number in range(min(len(self.proposed), trials)) if number not in self.values]
        if not open_trials and len(self.proposed) < trials:
            first, count = len(self.proposed), min(at_once, trials - len(self.proposed))
            study = self._told(first)
            for _ in range(count):
                self.proposed.append(self._rounded(study.ask(self.distributions).params))
            write_json(self.proposed, self.path)
            open_trials = list(range(first, len(self.proposed)))
        return {number: {key: str(value) for key, value in self.proposed[number].items()} for number in open_trials}

    def tell(self, jobs: Mapping[int, Sequence[Job]]) -> None:
        """Reads what the runs of the trials left: the mean of their validation errors."""
        for number, runs in jobs.items():
            left = [self.study.metrics(run) for run in runs]
            errors = [
                metrics["val"]["error"] for metrics in left if metrics.get("status") == "completed" and "val" in metrics
            ]
            self.values[number] = statistics.mean(errors) if len(errors) == len(runs) else None

    def _told(self, number: int) -> optuna.Study:
        """What Optuna is to know before it proposes the trial of that number."""
        sampler = optuna.samplers.TPESampler(seed=self.seed + number, constant_liar=True)
        study = optuna.create_study(sampler=sampler)
        for parameters, value in zip(self.proposed, (self.values[index] for index in range(number)), strict=True):
            state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
            study.add_trial(
                optuna.create_trial(params=parameters, distributions=self.distributions, value=value, state=state)
            )
        return study

    def _rounded(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers that a person can read: four digits, still inside their range."""
        rounded = {}
        for key, value in parameters.items():
            range_ = self.distributions[key]
            if isinstance(range_, FloatDistribution):
                value = min(max(float(f"{value:.4g}"), range_.low), range_.high)
            rounded[key] = value
        return rounded

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        try:
            proposed: list[dict[str, Any]] = json.loads(self.path.read_text())
            for parameters in proposed:
                for key, range_ in self.distributions.items():
                    range_.to_internal_repr(parameters[key])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path} is damaged; remove that folder, or choose another study=…") from error
        return proposed

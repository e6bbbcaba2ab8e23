"""What `python train.py -m …` does.

Hydra finds sweepers only in a package of this name, and imports them at each start: what is heavy is imported late.
"""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from digits.config import validate_sweep_job
from digits.errors import InputError

if TYPE_CHECKING:
    from digits.studies.runner import StudyRunner
    from digits.studies.study import Job, Study

log = logging.getLogger(__name__)

Values = Mapping[str, tuple[str, ...]]  # setting, as it stands in an override -> what it takes in turn


class GridSweeper(BasicSweeper):
    """Every combination of the values given, as a study: in a folder of its own, with a leaderboard, and resumed by the
    same command. `params` are the settings of a study's file, which the command line overrules.

    Raises InputError for a sweep that cannot be, before its first job starts, and after its last if any job failed.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def sweep(self, arguments: list[str]) -> None:
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        parsed = parser.parse_overrides([*self._parse_config(), *arguments])
        overrides = {override.get_key_element(): override for override in parsed}
        for key, instead in (("name", "study=…"), ("resume", "study=…, which resumes by itself")):
            if key in overrides:
                raise InputError(f"{key}=… is for a single run; a sweep has {instead}")
        if "study" in overrides and (
            overrides["study"].is_sweep_override() or _values(overrides["study"])[0].strip("'\"./ ") in ("", "null")
        ):
            raise InputError("study=… is to be one name, of a folder in outputs/")
        self._sweep(overrides)

    def _sweep(self, overrides: Mapping[str, Override]) -> None:
        values = {key: _values(override) for key, override in overrides.items()}
        varies = [key for key, override in overrides.items() if override.is_sweep_override()]
        if not varies and isinstance(self.launcher, BasicLauncher):
            raise InputError("nothing to sweep: give a setting several values, as in seed=0,1,2, or leave out -m")
        jobs = list({job.name: job for job in self._jobs(values, varies)}.values())
        with self._at_work(self._study(overrides, varies), len(jobs)) as sweep:
            sweep.run(jobs)

    def _study(self, overrides: Mapping[str, Override], varies: list[str]) -> "Study":
        from digits.studies.study import Study

        assert self.config is not None
        fixed = {key: override.get_value_element_as_str() for key, override in overrides.items() if key not in varies}
        return Study(str(self.config.study), Path(str(self.config.hydra.sweep.dir)), fixed, varies)

    def _jobs(self, values: Values, varies: list[str], **named: object) -> Iterator["Job"]:
        """All combinations, composed: Hydra raises here what is wrong with them. Their folders are named after what is
        `named` and what varies."""
        from digits.studies.study import Job, job_name

        assert self.config is not None
        assert self.hydra_context is not None
        for combination in itertools.product(*values.values()):
            chosen = dict(zip(values, combination, strict=True))
            overrides = tuple(f"{key}={value}" for key, value in chosen.items())
            config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
            del config.hydra
            settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
            validate_sweep_job(settings)
            varied = {**named, **{key.lstrip("+"): chosen[key] for key in varies if key != "seed"}}
            yield Job(job_name(varied, settings["seed"]), overrides, settings)

    @contextmanager
    def _at_work(self, study: "Study", total: int) -> Iterator["StudyRunner"]:
        from digits.studies.runner import StudyRunner

        assert self.launcher is not None
        launcher = self.launcher
        launched = 0

        def launch(overrides: Sequence[Sequence[str]]) -> Sequence[object]:
            nonlocal launched
            first, launched = launched, launched + len(overrides)
            return launcher.launch(overrides, first)

        sweep = StudyRunner(study, launch, one_by_one=isinstance(launcher, BasicLauncher), total=total)
        with study.opened():
            log.info(f"study {study.name}: {total} {'job' if total == 1 else 'jobs'} in {study.folder}")
            try:
                yield sweep
            except (KeyboardInterrupt, SystemExit):
                raise SystemExit(
                    f"interrupted; the same command with study={study.name} goes on where it was"
                ) from None
            sweep.close()


class OptunaSweeper(GridSweeper):
    """Searches ranges, `optimizer.lr=tag(log,interval(1e-4,1e-1))`, and choices with Optuna's TPE: `trials`
    configurations, `at_once` of them proposed at a time, by their validation error. Each is trained with all seeds and
    folds given, and judged by their mean. `seed` is that of the proposals.

    A proposal depends on the seed and the results so far alone, so that a search that is resumed makes the same ones.
    """

    def __init__(self, trials: int, at_once: int, seed: int, params: dict[str, str] | None = None) -> None:
        super().__init__(params)
        for name, value in {"trials": trials, "at_once": at_once, "seed": seed}.items():
            if not isinstance(value, int) or value < (name != "seed"):
                raise InputError(
                    f"hydra.sweeper.{name}={value}: must be a whole number, at least {int(name != 'seed')}"
                )
        self.trials, self.at_once, self.seed = trials, at_once, seed

    def _sweep(self, overrides: Mapping[str, Override]) -> None:
        from digits.studies.leaderboard import REPLICATE_KEYS
        from digits.studies.search import Search, space

        swept = {key: override for key, override in overrides.items() if override.is_sweep_override()}
        searched = {key: override for key, override in swept.items() if key not in REPLICATE_KEYS}
        if not searched:
            raise InputError(
                "nothing to search: give a setting a range, as in 'optimizer.lr=tag(log,interval(1e-4,1e-1))'"
            )
        distributions = {key: space(override) for key, override in searched.items()}
        others = {key: _values(override) for key, override in overrides.items() if key not in searched}
        folded = [key for key in swept if key not in searched]
        study = self._study(overrides, list(swept))
        study.varies = [str(swept[key].input_line) for key in searched]

        def jobs(number: int, parameters: Mapping[str, str]) -> list["Job"]:
            values = {**others, **{key: (value,) for key, value in parameters.items()}}
            return list(self._jobs(values, folded, trial=number))

        first = {key: _first(override) for key, override in searched.items()}
        for key, override in searched.items():  # composed once with each choice: a wrong one is to be found now
            for value in _values(override) if override.is_discrete_sweep() else ():
                jobs(0, {**first, key: value})
        trial = jobs(0, first)
        if trial[0].settings["data"]["val_size"] == 0 and trial[0].settings["data"]["folds"] is None:
            raise InputError("a search needs digits held out for validation; with data.val_size=0 there are none")
        with self._at_work(study, self.trials * len(trial)) as sweep:
            search = Search(study, distributions, self.seed)
            while batch := search.next(self.trials, self.at_once):
                made = {number: jobs(number, parameters) for number, parameters in batch.items()}
                sweep.run([job for part in made.values() for job in part])
                search.tell(made)


def _values(override: Override) -> tuple[str, ...]:
    """What an override gives its setting in turn, as it may stand in an override again."""
    if not override.is_sweep_override():
        return (override.get_value_element_as_str(),)
    if not override.is_discrete_sweep():
        raise InputError(f"{override.input_line}: a range without steps; hydra/sweeper=optuna draws values from it")
    if values := tuple(override.sweep_string_iterator()):
        return values
    raise InputError(f"{override.input_line}: an empty sweep, which gives the setting no value")


def _first(override: Override) -> str:
    return _values(override)[0] if override.is_discrete_sweep() else str(override.value().start)  # type: ignore[union-attr]

"""The sweepers of `python train.py -m …`: parse and validate the command line, and hand its jobs to `digits.studies`.
`predict.py` has none.

Hydra finds sweepers only in this package and imports it at every start: the runner and Optuna are imported late.
"""

import copy
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, configure_log
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from digits.cli.arguments import quote_text
from digits.cli.job import require_name, resolve_training_config
from digits.cli.signals import interrupt_on_signals
from digits.errors import InputError, plural
from digits.files import write_json
from digits.installation import require_training
from digits.private_apis.launchers import joblib_settings, slurm_parameters
from digits.settings_checks import require_one_device
from digits.studies.study import REPLICATE_KEYS, Job, Study
from digits.studies.values import SweepValue, override_values

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from digits.studies.runner import Launch, StudyRunner
    from digits.studies.search import Search

log = logging.getLogger(__name__)

SINGLE_RUN_SETTINGS = {
    "name": "a sweep has study=…",
    "resume": "a sweep has study=…, which resumes by itself",
    "debug": "use it without -m, with the settings of one job",
    "find": "use it without -m",
}
"""Settings that a sweep refuses, and what to use instead."""


class GridSweeper(Sweeper):
    """All combinations of the given values, as a study. `params` are the settings of a study's file, which the command
    line overrides.

    Raises InputError for an invalid sweep before its first job, and for failed jobs after its last.
    """

    hydra_context: HydraContext
    config: DictConfig
    launcher: Launcher

    def __init__(self, params: Mapping[str, str]) -> None:
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config
        self.parser = OverridesParser.create(config_loader=hydra_context.config_loader)
        self.compose = JobComposer(hydra_context.config_loader, config)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.sequential = config.hydra.launcher._target_.endswith(".BasicLauncher")

    def sweep(self, arguments: list[str]) -> None:
        own = [quote_text(f"{key}={values}") for key, values in self.params.items()]
        parsed = self.parser.parse_overrides([*own, *arguments])
        for override in parsed:
            setting = override.key_or_group  # without + or ~
            if setting in SINGLE_RUN_SETTINGS:
                raise InputError(f"{setting}=… is for a single run; {SINGLE_RUN_SETTINGS[setting]}")
            if setting == "study" and override.is_sweep_override():
                raise InputError(f"{override.input_line}: must be the name of one folder in outputs/")
        overrides = {override.get_key_element(): override for override in parsed}
        require_name(self.config, "study")
        require_training()
        self._sweep(overrides)

    def _sweep(self, overrides: Mapping[str, Override]) -> None:
        varies = [key for key, override in overrides.items() if override.is_sweep_override()]
        if not varies and self.sequential:
            raise InputError("nothing to sweep: give a setting several values, as in seed=0,1,2, or omit -m")
        study = self._study(overrides, varies)
        values = {key: sweep_values(override) for key, override in overrides.items()}
        jobs = {job.name: job for job in self._jobs(study, values, varies)}
        with self._running(study, len(jobs)) as runner:
            runner.run(list(jobs.values()))

    def _study(self, overrides: Mapping[str, Override], varies: Sequence[str]) -> Study:
        fixed = {}
        for key, override in overrides.items():
            if not override.is_sweep_override():
                [value] = sweep_values(override)
                fixed[key] = value.text
        return Study(str(self.config.study), Path(str(self.config.hydra.sweep.dir)), fixed, varies)

    def _jobs(
        self, study: Study, values: Mapping[str, Sequence[SweepValue]], varies: Sequence[str], trial: int | None = None
    ) -> Iterator[Job]:
        """All combinations of the values, named after the trial of a search and the settings that vary. Hydra raises if
        a combination cannot be composed."""
        for combination in itertools.product(*values.values()):
            chosen = dict(zip(values, combination, strict=True))
            overrides = tuple(f"{key}={value.text}" for key, value in chosen.items())
            config = self.compose(overrides)
            require_one_device(config)
            varied = {}
            if trial is not None:
                varied["trial"] = SweepValue(str(trial), str(trial))
            for key in varies:
                if key != "seed":  # is always part of the name
                    varied[key.lstrip("+")] = chosen[key]
            yield Job(study.job_folder(varied, config), overrides, config)

    @contextmanager
    def _running(self, study: Study, total: int) -> Iterator["StudyRunner"]:
        """A runner of this study, which no other process can run meanwhile. Writes the leaderboard at the end."""
        from digits.studies.runner import StudyRunner

        launch, sequential = self._prepare_launcher()
        interrupt_on_signals()
        runner = StudyRunner(study, launch, sequential, total)
        with study.acquire():
            log.info(f"study {study.name}: {plural(total, 'job')} in {study.folder}")
            try:
                yield runner
            except (KeyboardInterrupt, SystemExit):
                raise SystemExit(f"interrupted; the same command with study={study.name} resumes the sweep") from None
            runner.finish()

    def _prepare_launcher(self) -> tuple["Launch", bool]:
        """The method that launches jobs, and whether it gets one job at a time."""
        launcher = self.config.hydra.launcher._target_
        if launcher.endswith(".SlurmLauncher"):
            from digits.studies.slurm import prepare_slurm

            prepare_slurm(slurm_parameters(self.launcher))
        if launcher.endswith(".JoblibLauncher"):
            from digits.studies.workers import count_workers, prepare_workers

            settings = joblib_settings(self.launcher)
            task = prepare_workers(settings, self.task_function)
            self.launcher.setup(hydra_context=self.hydra_context, task_function=task, config=self.config)
            if count_workers(settings) == 1:
                return self._launch_in_this_process, True
        return self.launcher.launch, self.sequential

    def _launch_in_this_process(self, overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """With one worker, as on a machine with one core, joblib runs the jobs in this process. Each job replaces the
        log of the sweep, which Hydra's joblib launcher does not restore."""
        try:
            return self.launcher.launch(overrides, first)
        finally:
            configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)


class OptunaSweeper(GridSweeper):
    """Searches ranges, `optimizer.lr=tag(log,interval(1e-4,1e-1))`, and choices with Optuna's TPE: `trials`
    configurations, `at_once` of them proposed together. Each is trained with all given seeds and folds, and judged by
    the mean of their validation errors. `seed` is the seed of the proposals. `prune` ends unpromising jobs early."""

    def __init__(self, trials: int, at_once: int, seed: int, prune: bool, params: Mapping[str, str]) -> None:
        super().__init__(params)
        if not isinstance(prune, bool):
            raise InputError(f"hydra.sweeper.prune={prune}: must be true or false")
        for name, value, minimum in (("trials", trials, 1), ("at_once", at_once, 1), ("seed", seed, 0)):
            if not isinstance(value, int) or value < minimum:
                raise InputError(f"hydra.sweeper.{name}={value}: must be an integer, at least {minimum}")
        self.trials, self.at_once, self.seed, self.prune = trials, at_once, seed, prune

    def _sweep(self, overrides: Mapping[str, Override]) -> None:
        space = self._parse_search(overrides)
        study = self._study(overrides, [str(override.input_line) for override in space.searched.values()])
        jobs_per_trial = self._check_search(study, space)
        with self._running(study, self.trials * jobs_per_trial) as runner:
            self._run_trials(study, space, runner)

    def _parse_search(self, overrides: Mapping[str, Override]) -> "SearchSpace":
        """Raises InputError if no setting has a range or several values."""
        from digits.studies.search import to_distribution

        space = SearchSpace()
        for key, override in overrides.items():
            if override.is_sweep_override() and key not in REPLICATE_KEYS:
                space.searched[key] = override
        if not space.searched:
            example = "'optimizer.lr=tag(log,interval(1e-4,1e-1))'"
            raise InputError(f"nothing to search: give a setting a range, as in {example}")
        for key, override in space.searched.items():
            if override.is_discrete_sweep():
                space.choices[key] = [value.text for value in sweep_values(override)]
            space.distributions[key] = to_distribution(override, space.choices.get(key, []))
        for key, override in overrides.items():
            if key not in space.searched:
                space.others[key] = sweep_values(override)
                if override.is_sweep_override():
                    space.replicates.append(key)
        return space

    def _check_search(self, study: Study, space: "SearchSpace") -> int:
        """The number of jobs of a trial. Composes every choice once, to refuse an invalid one now."""
        sample = {}
        for key, override in space.searched.items():
            if key in space.choices:
                sample[key] = space.choices[key][0]
            else:
                sample[key] = str(override.value().start)  # type: ignore[union-attr]
        first_trial = self._trial_jobs(study, space, 0, sample)
        jobs = [*first_trial]
        for key, texts in space.choices.items():
            for text in texts:
                jobs += self._trial_jobs(study, space, 0, {**sample, key: text})
        data = first_trial[0].config["data"]
        if data["val_size"] == 0 and data["folds"] is None:
            raise InputError("a search needs validation digits; data.val_size=0 holds none out")
        epochs = {str(job.config["trainer"].get("max_epochs")) for job in jobs}
        same_epochs = len(epochs) == 1 and "trainer.max_epochs" not in space.searched
        if self.prune and (not same_epochs or epochs == {"1"}):
            raise InputError("hydra.sweeper.prune=true needs one trainer.max_epochs=N for all trials, at least 2")
        return len(first_trial)

    def _run_trials(self, study: Study, space: "SearchSpace", runner: "StudyRunner") -> None:
        from digits.studies.results import read_result
        from digits.studies.search import Search

        search = Search(study.folder / "search.json", space.distributions, self.seed)
        while batch := search.ask(self.trials, self.at_once):
            trials = {}
            for number, settings in batch.items():
                jobs = self._trial_jobs(study, space, number, settings)
                trials[number] = jobs
                finished = [read_result(job.folder) for job in jobs]  # by an earlier command
                if None not in finished:
                    search.tell(number, finished)
            self._prepare_pruning(search, trials)
            runner.run([job for jobs in trials.values() for job in jobs])
            for number, jobs in trials.items():
                search.tell(number, [runner.result(job) for job in jobs])

    def _trial_jobs(self, study: Study, space: "SearchSpace", number: int, settings: Mapping[str, str]) -> list[Job]:
        """The jobs of a trial with these values of the searched settings: one for each seed and fold."""
        values = dict(space.others)
        for key, text in settings.items():
            values[key] = (SweepValue(text, text),)
        return list(self._jobs(study, values, space.replicates, trial=number))

    def _prepare_pruning(self, search: "Search", trials: Mapping[int, Sequence[Job]]) -> None:
        """Writes the results with which a job is compared, before any job of the batch starts. A resumed job keeps
        them: it would otherwise be compared with trials that ran beside it."""
        for number, jobs in trials.items():
            if search.errors.get(number) is not None:
                continue
            for job in jobs:
                path = job.folder.earlier_trials_path
                if not self.prune:
                    path.unlink(missing_ok=True)
                elif not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_json(search.earlier_curves(number), path)


@dataclass
class SearchSpace:
    """The settings of a search by their keys."""

    searched: dict[str, Override] = field(default_factory=dict)
    distributions: dict[str, "BaseDistribution"] = field(default_factory=dict)
    """of the searched settings"""
    choices: dict[str, list[str]] = field(default_factory=dict)
    """the values of searched settings that have no range"""
    others: dict[str, tuple[SweepValue, ...]] = field(default_factory=dict)
    """the values of all other settings"""
    replicates: list[str] = field(default_factory=list)
    """other settings with several values: seeds and folds"""


class JobComposer:
    """Composes the resolved configuration of a job from its overrides. Hydra needs 60 ms for a composition. Jobs with
    equal choices of config groups share one, and their other settings are applied to a copy of it.

    Raises what Hydra raises if the overrides cannot be composed."""

    def __init__(self, loader: ConfigLoader, sweep_config: DictConfig) -> None:
        self.loader = loader
        self.sweep_config = sweep_config
        self.parser = OverridesParser.create(config_loader=loader)
        self.parsed: dict[str, ParsedOverride] = {}
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: Sequence[str]) -> dict[str, Any]:
        parsed = [self._parse(text) for text in overrides]
        # Hydra applies settings in order. Settings after the last + or ~ only replace values: they need no composition.
        last_by_hydra = -1
        for index, override in enumerate(parsed):
            if not override.is_choice and not override.replaces_value:
                last_by_hydra = index
        by_hydra = []
        replaced = []
        for index, override in enumerate(parsed):
            if override.is_choice or index <= last_by_hydra:
                by_hydra.append(override.text)
            else:
                replaced.append(override)
        composed = copy.deepcopy(self._compose_by_hydra(tuple(by_hydra)))
        try:
            for override in replaced:
                OmegaConf.update(composed, override.key, override.value, merge=True)
        except OmegaConfBaseException:
            composed = self._compose_by_hydra(tuple(overrides))  # raises its own error
        return resolve_training_config(composed, self.sweep_config.hydra, overrides)

    def _parse(self, text: str) -> "ParsedOverride":
        if text not in self.parsed:
            [override] = self.parser.parse_overrides([text])
            hydra = self.sweep_config.hydra
            options = self.loader.get_group_options(
                override.key_or_group, None, hydra.job.config_name, list(hydra.overrides.hydra)
            )
            self.parsed[text] = ParsedOverride(
                text=text,
                key=override.key_or_group,
                value=override.value(),
                is_choice=bool(options) and not isinstance(override.value(), dict),
                replaces_value=override.type == OverrideType.CHANGE and override.package is None,
            )
        return self.parsed[text]

    def _compose_by_hydra(self, overrides: tuple[str, ...]) -> DictConfig:
        if overrides not in self.composed:
            composed = self.loader.load_sweep_config(self.sweep_config, list(overrides))
            del composed.hydra
            self.composed[overrides] = composed
        return self.composed[overrides]


@dataclass(frozen=True)
class ParsedOverride:
    """One override. `is_choice`: it selects an option of a config group. `replaces_value`: it has no + or ~."""

    text: str
    key: str
    value: Any
    is_choice: bool
    replaces_value: bool


class DropConfigurations(Callback):
    """Drops the two configurations from the result that a job returns to its launcher. They take 0.2 MB per job."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        job_return.cfg = job_return.hydra_cfg = None


class NoSweeper(Sweeper):
    """Raises InputError: one prediction would replace the output of another."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        pass

    def sweep(self, arguments: list[str]) -> None:
        raise InputError(
            "prediction has no -m; give several pictures or checkpoints as a list, 'input=[a.png,b.png]', "
            "and start it once for each CSV file"
        )


def sweep_values(override: Override) -> tuple[SweepValue, ...]:
    """The values that an override gives its setting. Text of a sweep function, choice(1e3,b), is without quotes."""
    values = []
    for value in override_values(override):
        word = quote_text(f"{override.key_or_group}={value.text}")
        _, _, text = word.partition("=")
        values.append(SweepValue(text, value.former))
    return tuple(values)

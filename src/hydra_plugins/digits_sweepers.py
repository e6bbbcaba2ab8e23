"""The sweepers of `python train.py -m …`: parse and validate the command line, and hand its jobs to `digits.studies`.
`predict.py` has none.

Hydra finds sweepers only in this package and imports it at every start: the runner and Optuna are imported late.
"""

import copy
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
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
from digits.cli.job import require_name, resolve_config
from digits.cli.signals import interrupt_on_signals
from digits.errors import InputError
from digits.files import write_json
from digits.private_apis import joblib_settings, slurm_parameters
from digits.settings import require_one_device
from digits.studies.study import REPLICATE_KEYS, Job, Study, plural
from digits.studies.values import SweepValue, override_values

if TYPE_CHECKING:
    from digits.studies.runner import Launch, StudyRunner
    from digits.studies.search import Search

log = logging.getLogger(__name__)


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
        self.compose = job_composer(hydra_context.config_loader, config)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.sequential = config.hydra.launcher._target_.endswith(".BasicLauncher")

    def sweep(self, arguments: list[str]) -> None:
        own = [quote_text(f"{key}={values}") for key, values in self.params.items()]
        parsed = self.parser.parse_overrides([*own, *arguments])
        overrides = {override.get_key_element(): override for override in parsed}
        for key, instead in {
            "name": "a sweep has study=…", "resume": "a sweep has study=…, which resumes by itself",
            "debug": "use it without -m, with the settings of one job", "find": "use it without -m",
        }.items():  # fmt: skip
            if key in overrides:
                raise InputError(f"{key}=… is for a single run; {instead}")
        study = overrides.get("study")
        if study and study.is_sweep_override():
            raise InputError(f"{study.input_line}: must be the name of one folder in outputs/")
        require_name(self.config, "study")
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
        fixed = {
            key: sweep_values(override)[0].text
            for key, override in overrides.items()
            if not override.is_sweep_override()
        }
        return Study(str(self.config.study), Path(str(self.config.hydra.sweep.dir)), fixed, varies)

    def _jobs(
        self, study: Study, values: Mapping[str, Sequence[SweepValue]], varies: Sequence[str], trial: int | None = None
    ) -> Iterator[Job]:
        """All combinations of the values, named after the trial of a search and the settings that vary. Hydra raises if
        a combination cannot be composed."""
        named = {} if trial is None else {"trial": SweepValue(str(trial), str(trial))}
        for combination in itertools.product(*values.values()):
            chosen = dict(zip(values, combination, strict=True))
            overrides = tuple(f"{key}={value.text}" for key, value in chosen.items())
            config = self.compose(overrides)
            require_one_device(config)
            varied = {**named, **{key.lstrip("+"): chosen[key] for key in varies if key != "seed"}}
            yield Job(study.job_folder(varied, config), overrides, config)

    @contextmanager
    def _running(self, study: Study, total: int) -> Iterator["StudyRunner"]:
        from digits.studies.runner import StudyRunner

        if self.config.hydra.launcher._target_.endswith(".SlurmLauncher"):
            from digits.studies.slurm import prepare_slurm

            prepare_slurm(slurm_parameters(self.launcher))
        launch: Launch = self.launcher.launch
        sequential = self.sequential
        if self.config.hydra.launcher._target_.endswith(".JoblibLauncher"):
            from digits.studies.workers import count_workers, prepare_workers

            settings = joblib_settings(self.launcher)
            task = prepare_workers(settings, self.task_function)
            self.launcher.setup(hydra_context=self.hydra_context, task_function=task, config=self.config)
            if count_workers(settings) == 1:
                launch, sequential = self._launch_in_this_process, True
        interrupt_on_signals()
        runner = StudyRunner(study, launch, sequential, total)
        with study.acquire():
            log.info(f"study {study.name}: {plural(total, 'job')} in {study.folder}")
            try:
                yield runner
            except (KeyboardInterrupt, SystemExit):
                raise SystemExit(f"interrupted; the same command with study={study.name} resumes the sweep") from None
            runner.finish()

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
    the mean of their validation errors. `seed` is the seed of the proposals. `prune` ends hopeless jobs early."""

    def __init__(self, trials: int, at_once: int, seed: int, prune: bool, params: Mapping[str, str]) -> None:
        super().__init__(params)
        if not isinstance(prune, bool):
            raise InputError(f"hydra.sweeper.prune={prune}: must be true or false")
        for name, value, minimum in (("trials", trials, 1), ("at_once", at_once, 1), ("seed", seed, 0)):
            if not isinstance(value, int) or value < minimum:
                raise InputError(f"hydra.sweeper.{name}={value}: must be an integer, at least {minimum}")
        self.trials, self.at_once, self.seed, self.prune = trials, at_once, seed, prune

    def _sweep(self, overrides: Mapping[str, Override]) -> None:
        from digits.studies.search import Search, to_distribution

        swept = {key: override for key, override in overrides.items() if override.is_sweep_override()}
        searched = {key: override for key, override in swept.items() if key not in REPLICATE_KEYS}
        if not searched:
            example = "'optimizer.lr=tag(log,interval(1e-4,1e-1))'"
            raise InputError(f"nothing to search: give a setting a range, as in {example}")
        distributions = {key: to_distribution(override) for key, override in searched.items()}
        others = {key: sweep_values(override) for key, override in overrides.items() if key not in searched}
        replicates = [key for key in swept if key not in searched]
        study = self._study(overrides, [str(override.input_line) for override in searched.values()])

        def make_jobs(number: int, settings: Mapping[str, str]) -> list[Job]:
            values = {**others, **{key: (SweepValue(text, text),) for key, text in settings.items()}}
            return list(self._jobs(study, values, replicates, trial=number))

        choices = {key: sweep_values(override) for key, override in searched.items() if override.is_discrete_sweep()}
        sample = {
            key: choices[key][0].text if key in choices else str(override.value().start)  # type: ignore[union-attr]
            for key, override in searched.items()
        }
        first = make_jobs(0, sample)
        jobs = [*first]
        for key, values in choices.items():  # composes every choice once, to refuse an invalid one now
            for value in values:
                jobs += make_jobs(0, {**sample, key: value.text})
        if first[0].config["data"]["val_size"] == 0 and first[0].config["data"]["folds"] is None:
            raise InputError("a search needs validation digits; data.val_size=0 holds none out")
        epochs = {str(job.config["trainer"].get("max_epochs")) for job in jobs}
        if self.prune and (len(epochs) > 1 or epochs == {"1"} or "trainer.max_epochs" in searched):
            raise InputError("hydra.sweeper.prune=true needs one trainer.max_epochs=N for all trials, at least 2")
        with self._running(study, self.trials * len(first)) as runner:
            search = Search(study.folder / "search.json", distributions, self.seed)
            while batch := search.ask(self.trials, self.at_once):
                trials = {number: make_jobs(number, settings) for number, settings in batch.items()}
                for number, jobs in trials.items():  # the results of an earlier command
                    search.tell(number, jobs)
                self._prepare_pruning(search, trials)
                runner.run([job for jobs in trials.values() for job in jobs])
                for number, jobs in trials.items():
                    search.tell(number, jobs)

    def _prepare_pruning(self, search: "Search", trials: Mapping[int, Sequence[Job]]) -> None:
        """Writes the results with which a job is compared, before any job of the batch starts. A resumed job keeps
        them: it would otherwise be compared with trials that ran beside it."""
        for number in [number for number in trials if search.errors[number] is None]:
            for path in [job.folder.earlier_trials_path for job in trials[number]]:
                if not self.prune:
                    path.unlink(missing_ok=True)
                elif not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_json(search.earlier_curves(number), path)


def job_composer(loader: ConfigLoader, sweep_config: DictConfig) -> Callable[[Sequence[str]], dict[str, Any]]:
    """A function that composes the resolved configuration of a job from its overrides. Hydra needs 60 ms for a
    composition. Jobs with equal choices of config groups share one, and their other settings are applied to a copy of
    it. The function raises what Hydra raises if the overrides cannot be composed."""
    parser = OverridesParser.create(config_loader=loader)
    hydra = sweep_config.hydra

    @cache
    def parse(text: str) -> tuple[Override, bool]:
        """The override, and whether it chooses from a config group."""
        [override] = parser.parse_overrides([text])
        options = loader.get_group_options(
            override.key_or_group, None, hydra.job.config_name, list(hydra.overrides.hydra)
        )
        return override, bool(options) and not isinstance(override.value(), dict)

    @cache
    def compose_by_hydra(overrides: tuple[str, ...]) -> DictConfig:
        composed = loader.load_sweep_config(sweep_config, list(overrides))
        del composed.hydra
        return composed

    def compose(overrides: Sequence[str]) -> dict[str, Any]:
        parsed = [parse(text) for text in overrides]
        # Hydra applies settings in order. Settings after the last + or ~ only replace values: they need no composition.
        last_by_hydra = -1
        for index, (override, is_choice) in enumerate(parsed):
            if not is_choice and not _is_plain(override):
                last_by_hydra = index
        by_hydra, plain = [], []
        for index, (override, is_choice) in enumerate(parsed):
            if is_choice or index <= last_by_hydra:
                by_hydra.append(overrides[index])
            else:
                plain.append(override)
        composed = copy.deepcopy(compose_by_hydra(tuple(by_hydra)))
        try:
            for override in plain:
                OmegaConf.update(composed, override.key_or_group, override.value(), merge=True)
        except OmegaConfBaseException:
            composed = compose_by_hydra(tuple(overrides))  # raises its own error
        return resolve_config(composed, hydra)

    return compose


def _is_plain(override: Override) -> bool:
    """Whether the override is KEY=VALUE, without + or ~, for a setting."""
    return override.type == OverrideType.CHANGE and override.package is None


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
            "predict.py has no -m; give several pictures or checkpoints as a list, 'input=[a.png,b.png]', "
            "and call it once for each CSV file"
        )


def sweep_values(override: Override) -> tuple[SweepValue, ...]:
    """The values that an override gives its setting. Text of a sweep function, choice(1e3,b), is without quotes."""
    key = override.key_or_group
    return tuple(
        value._replace(text=quote_text(f"{key}={value.text}").removeprefix(f"{key}="))
        for value in override_values(override)
    )

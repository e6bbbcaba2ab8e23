"""The loggers of a run beside history.csv: TensorBoard, W&B, MLflow, or another one of Lightning.

Each logger gets one run for each run of this project. A resumed run continues it, and it ends with the outcome of the
run: completed, pruned, interrupted or failed.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from digits.errors import InputError
from digits.evaluation.score import Score
from digits.instantiation import BuildError, find_target
from digits.processes import is_rank_zero
from digits.runs.folder import RunFolder
from digits.runs.job import TrainingJob
from digits.runs.metrics_file import RunMetrics
from digits.settings import TrainSettings
from digits.training.mlflow_runs import describe_mlflow_error
from digits.training.trackers import LoggedRun, Tracker, read_ids, tracker_class

log = logging.getLogger(__name__)

LOGGER_LIBRARIES = ("wandb", "mlflow", "sqlalchemy")


class RunLoggers:
    """The loggers of a run: the setting `logger` is null, a logger, or a list of them. Call `build`, then `start`, and
    always `finish`. Only the first process of a run on several devices starts and finishes them."""

    logged_run: LoggedRun

    def __init__(self, run: RunFolder, job: TrainingJob) -> None:
        self.run = run
        self.job = job
        self.trackers: list[Tracker] = []

    @property
    def loggers(self) -> list[Logger]:
        return [tracker.logger for tracker in self.trackers]

    def build(self, settings: TrainSettings, resume: Path | None) -> None:
        """Builds the loggers of a new run, or of one that continues from the checkpoint `resume`.

        Raises InputError for invalid settings, and if a database or a server cannot be reached."""
        self.logged_run = LoggedRun(self.run, self.job, settings)
        earlier_ids = self._earlier_ids(resume)
        if resume is None and is_rank_zero():
            self.run.logger_runs_path.unlink(missing_ok=True)
        if settings.logger is None:
            return
        if not isinstance(settings.logger, list):
            self._add("logger", 0, settings.logger, earlier_ids, resume)
            return
        for index, component in enumerate(settings.logger):
            self._add(f"logger.{index}", index, component, earlier_ids, resume)

    def _add(
        self, setting: str, index: int, component: Any, earlier_ids: Mapping[str, str], resume: Path | None
    ) -> None:
        if not isinstance(component, Mapping) or "_target_" not in component:
            raise InputError(f"{setting}: must be a logger, {{_target_: …}}; see conf/logger")
        target = find_target(component["_target_"], f"{setting}._target_")
        tracker = tracker_class(target)(f"{index} {target.__name__}", setting, self.logged_run)
        earlier_id = earlier_ids.get(tracker.key)
        with logger_errors():
            if resume is not None:
                tracker.build(component, earlier_id, is_resumed=True)
            else:
                tracker.build(component, None, is_resumed=False)
                if earlier_id and is_rank_zero():
                    tracker.end_abandoned(earlier_id)
        self.trackers.append(tracker)

    def start(self) -> None:
        """Starts the run of each logger, and records the settings."""
        if not is_rank_zero():
            return
        for tracker in self.trackers:
            with logger_errors():
                tracker.start()

    def log_score(self, stage: str, score: Score, epoch: int, step: int) -> None:
        """Records the score of the final weights, as Lightning does after a validation or a test."""
        for logger in self.loggers:
            logger.log_metrics({**score.by_name(stage), "epoch": epoch}, step)
            logger.save()

    def finish(self, metrics: RunMetrics) -> None:
        """Ends the run of each logger with the outcome in `metrics`. An error is logged: it does not change the
        outcome."""
        if not is_rank_zero():
            return
        for tracker in self.trackers:
            if not tracker.is_started:
                continue
            tracker.is_started = False
            try:
                tracker.finish(metrics)
            except Exception as error:
                log.warning(f"{tracker.setting}: the end of the run could not be recorded: {_describe(error)}")

    def _earlier_ids(self, resume: Path | None) -> dict[str, str]:
        """The ids of the runs of an earlier part of this run, or of an earlier attempt, by the key of the logger. A
        checkpoint can be resumed in another folder: the ids are then in the folder of the run that wrote it."""
        ids = read_ids(self.run)
        if resume is not None and not ids:
            ids = read_ids(RunFolder(resume.resolve().parent.parent))
        return ids


@contextmanager
def logger_errors() -> Iterator[None]:
    """Raises InputError in place of the errors of the loggers' libraries."""
    try:
        yield
    except InputError as error:
        if not isinstance(error, BuildError) or not is_logger_error(error.__cause__):
            raise
        raise InputError(_describe(error.__cause__)) from error
    except Exception as error:
        if not is_logger_error(error):
            raise
        raise InputError(_describe(error)) from error


def is_logger_error(error: BaseException | None) -> bool:
    """Whether the library of a logger has raised this exception, for example because a server does not answer."""
    return any(kind.__module__.partition(".")[0] in LOGGER_LIBRARIES for kind in type(error).__mro__)


def _describe(error: BaseException | None) -> str:
    library = type(error).__module__.partition(".")[0]
    if library == "wandb":
        reason = " ".join(str(error).split()).removesuffix(".")
        return f"W&B: {reason}; with WANDB_MODE=offline it needs no account and no network"
    if library in LOGGER_LIBRARIES:
        return describe_mlflow_error(error)
    return str(error) or type(error).__name__

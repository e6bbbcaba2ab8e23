"""The run that each logger gets: started, continued and ended beside a run of this project."""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from digits.config import flatten
from digits.errors import InputError
from digits.files import write_json
from digits.instantiation import BuildError, build
from digits.private_apis.pytorch import write_hparams, write_session_end
from digits.processes import is_rank_zero
from digits.runs.folder import RunFolder
from digits.runs.job import TrainingJob
from digits.runs.metrics_file import RunMetrics
from digits.settings import TrainSettings
from digits.training.mlflow_runs import MLflowServer

OUTCOME_SUFFIX = ".outcome"  # of TensorBoard's file
WANDB_EXIT_CODES = {"completed": 0, "pruned": 0, "failed": 1, "interrupted": 255}
WANDB_TIMEOUT_S = 30


@dataclass(frozen=True)
class LoggedRun:
    """The run of this project that the loggers record."""

    folder: RunFolder
    job: TrainingJob
    settings: TrainSettings

    def remember_id(self, key: str, value: str) -> None:
        """Stores the id of a logger's run in the folder of this run, for a later `resume`."""
        write_json({**read_ids(self.folder), key: value}, self.folder.logger_runs_path)


class Tracker:
    """The run of a logger. Lightning finalizes a logger after each `fit`, `validate` and `test`, and not at all if the
    data cannot be read. Here it is finalized once, at the end of the run."""

    logger: Logger

    def __init__(self, key: str, setting: str, run: LoggedRun) -> None:
        self.key = key
        self.setting = setting
        self.run = run
        self.is_started = False

    def build(self, settings: Mapping[str, Any], earlier_id: str | None, is_resumed: bool) -> None:
        """Sets `logger`. `earlier_id` is the id of the logger's run that a resumed run continues, if it is known."""
        self._build(settings, {})

    def end_abandoned(self, earlier_id: str) -> None:
        """Ends the run of an earlier attempt that was killed."""

    def start(self) -> None:
        """Starts the run of the logger, sets `is_started`, and records the settings."""
        self.is_started = True
        self.logger.log_hyperparams(dict(self.run.settings.config))

    def finish(self, metrics: RunMetrics) -> None:
        self.finalize("success" if metrics.ended else "failed")

    def finalize(self, status: str) -> None:
        type(self.logger).finalize(self.logger, status)

    def _build(self, settings: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        folder = str(self.run.folder.path)
        try:
            self.logger = build(settings, self.setting, save_dir=folder, **arguments)
        except BuildError as error:
            if isinstance(error.__cause__, ModuleNotFoundError):
                reason = " ".join(str(error.__cause__).split())
                raise InputError(f"{self.setting}: {reason} (or pip install -e '.[{self._extras}]')") from error
            raise
        if not isinstance(self.logger, Logger):
            raise InputError(f"{self.setting}: {type(self.logger).__name__} is not a logger of Lightning")
        self.logger.finalize = _leave_open  # type: ignore[method-assign]

    @property
    def _extras(self) -> str:
        own = EXTRAS.get(type(self))
        return own or ",".join(EXTRAS.values())


class TensorBoardTracker(Tracker):
    """Event files in the folder of the run. TensorBoard takes the settings of a run and its outcome from the first
    event that has them. The outcome is therefore a file of its own, which a resumed run replaces."""

    logger: TensorBoardLogger

    def build(self, settings: Mapping[str, Any], earlier_id: str | None, is_resumed: bool) -> None:
        self._build(settings, {})
        if is_rank_zero():
            self._remove_old_files(everything=not is_resumed)

    def start(self) -> None:
        super().start()
        if not find_spec("tensorboard"):  # Lightning also accepts tensorboardX
            return
        settings = self.run.settings
        metrics = ["train/error"]
        if settings.data.has_validation:
            metrics.append("val/error")
        if settings.test:
            metrics.append("test/error")
        write_hparams(self.logger.experiment, flatten(settings.config), metrics)
        self.logger.save()

    def finish(self, metrics: RunMetrics) -> None:
        super().finish(metrics)
        if find_spec("tensorboard"):
            write_session_end(self.logger.log_dir, OUTCOME_SUFFIX, metrics.status, metrics.reason)

    def _remove_old_files(self, everything: bool) -> None:
        """Removes the files of an earlier attempt, or only its outcome. A folder outside of the run is left alone."""
        folder, run = Path(self.logger.log_dir).resolve(), self.run.folder.path.resolve()
        if run not in (folder, *folder.parents):
            return
        for path in folder.glob("events.out.tfevents.*"):
            if everything or path.name.endswith(OUTCOME_SUFFIX):
                path.unlink(missing_ok=True)
        if everything:
            (folder / "hparams.yaml").unlink(missing_ok=True)


class WandbTracker(Tracker):
    """A run of Weights & Biases. It has an id of its own, and is finished before the next job of a sweep starts."""

    logger: WandbLogger

    def build(self, settings: Mapping[str, Any], earlier_id: str | None, is_resumed: bool) -> None:
        arguments: dict[str, Any] = {}
        if not (settings.get("id") or settings.get("version")):
            # One id of the environment cannot be that of all jobs of a sweep.
            from_environment = None if self.run.job.in_sweep else os.environ.get("WANDB_RUN_ID")
            arguments["id"] = earlier_id or from_environment or secrets.token_hex(4)
        if "settings" not in settings:
            arguments["settings"] = self._wandb_settings()
        self._build(settings, arguments)

    def _wandb_settings(self) -> dict[str, Any]:
        """Settings of W&B in place of its defaults, unless the environment has them. The jobs of a sweep print nothing,
        and a server that is away is reported after seconds."""
        chosen = {"init_timeout": WANDB_TIMEOUT_S, "silent": self.run.job.in_sweep}
        return {name: value for name, value in chosen.items() if f"WANDB_{name.upper()}" not in os.environ}

    def start(self) -> None:
        import wandb  # imported late: an extra

        if wandb.run is not None:
            raise InputError(
                f"{self.setting}: this program has an active run of W&B; call wandb.finish() before the training"
            )
        run_id = self.logger.experiment.id  # starts the run
        self.run.remember_id(self.key, str(run_id))
        super().start()

    def finish(self, metrics: RunMetrics) -> None:
        run = self.logger.experiment
        run.summary["outcome"] = metrics.status
        if metrics.reason != run.summary.get("reason"):  # a resumed run may hold an earlier reason
            run.summary["reason"] = metrics.reason
        self.finalize("success" if metrics.ended else "failed")
        run.finish(exit_code=WANDB_EXIT_CODES[metrics.status])


class MLflowTracker(Tracker):
    """A run of MLflow in a database or on a tracking server."""

    logger: MLFlowLogger

    def build(self, settings: Mapping[str, Any], earlier_id: str | None, is_resumed: bool) -> None:
        arguments: dict[str, Any] = {}
        if find_spec("mlflow"):
            self.server = MLflowServer(settings, self.run.job.start_folder)
            arguments["tracking_uri"] = self.server.uri
            arguments["experiment_name"] = self.server.experiment_name
            if is_rank_zero():
                self.server.prepare()
                if earlier_id and not settings.get("run_id") and self.server.has_run(earlier_id):
                    arguments["run_id"] = earlier_id
        self.is_continued = bool(settings.get("run_id")) or "run_id" in arguments
        self._build(settings, arguments)

    def end_abandoned(self, earlier_id: str) -> None:
        self.server.end_if_running(earlier_id)

    def start(self) -> None:
        with self.server.keep_environment():
            run_id = str(self.logger.run_id)  # starts the run
        self.is_started = True
        self.run.remember_id(self.key, run_id)
        self.server.watch(run_id)
        if self.is_continued:
            self.server.continue_run(run_id)  # its parameters cannot be changed
        else:
            super().start()

    def finish(self, metrics: RunMetrics) -> None:
        self.server.finish(str(self.logger.run_id), metrics.status, metrics.reason, self.finalize)


TRACKERS: list[tuple[type, type[Tracker]]] = [
    (TensorBoardLogger, TensorBoardTracker),
    (WandbLogger, WandbTracker),
    (MLFlowLogger, MLflowTracker),
]
EXTRAS: dict[type[Tracker], str] = {TensorBoardTracker: "tensorboard", WandbTracker: "wandb", MLflowTracker: "mlflow"}


def tracker_class(target: Any) -> type[Tracker]:
    """The class for the loggers of this class."""
    for kind, tracker in TRACKERS:
        if isinstance(target, type) and issubclass(target, kind):
            return tracker
    return Tracker


def read_ids(run: RunFolder) -> dict[str, str]:
    """The ids of the runs of the loggers, by key; empty if there are none."""
    with suppress(OSError, ValueError):
        content = json.loads(run.logger_runs_path.read_text())
        if isinstance(content, dict):
            return {str(key): str(value) for key, value in content.items()}
    return {}


def _leave_open(status: str = "success") -> None:
    """In place of `Logger.finalize`, which Lightning calls before the run ends."""

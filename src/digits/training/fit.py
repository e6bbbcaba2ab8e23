"""The training of a run: the built objects, and the fit."""

from collections.abc import Sequence

import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger

from digits.data.datamodule import DigitsDataModule
from digits.devices import device_name
from digits.errors import InputError
from digits.evaluation.evaluate import count_batches
from digits.host import keep_freed_memory
from digits.processes import is_disconnected
from digits.runs.provenance import git_state, versions
from digits.runs.recorded_run import RecordedRun
from digits.seeding import seed_everything
from digits.settings import TrainSettings
from digits.training.build import build_datamodule, build_module
from digits.training.history import EpochHistory
from digits.training.resume import ResumePoint
from digits.training.trainer import build_trainer, is_refused_by_lightning


class Training:
    """The built objects of a run: data, module, history, Trainer. Fills the metrics of the run."""

    def __init__(
        self,
        settings: TrainSettings,
        run: RecordedRun,
        loggers: Sequence[Logger] = (),
        resume: ResumePoint | None = None,
    ) -> None:
        keep_freed_memory()
        seed_everything(settings.seed)
        self.settings = settings
        self.folder, self.metrics = run.folder, run.metrics
        self.resume = resume
        self.datamodule: DigitsDataModule = build_datamodule(settings)
        self.module = build_module(settings)
        self.history = EpochHistory(run.folder.history_path, settings.data.has_validation)
        epoch_callbacks: list[Callback] = [self.history]
        earlier_trials = run.folder.earlier_trials_path
        if run.job.in_sweep and earlier_trials.exists():
            from digits.training.pruning import MedianPruning  # imported late: Optuna is an extra

            epoch_callbacks.append(MedianPruning(earlier_trials, self.history, run.metrics))
        self.trainer = build_trainer(settings, run.folder, epoch_callbacks, loggers, resume)
        self._record()

    def _record(self) -> None:
        metrics = self.metrics
        metrics.model = self.settings.model_name
        metrics.parameters = sum(parameter.numel() for parameter in self.module.network.parameters())
        metrics.device = device_name(self.trainer.strategy.root_device)
        metrics.precision = self.trainer.precision
        metrics.versions, metrics.git = versions(), git_state()
        metrics.teacher = self.module.teacher_hashes or None
        metrics.init = self.module.init_hash or None
        metrics.trained_parameters = sum(parameter.numel() for parameter in self.module.trained_parameters)

    def fit(self) -> None:
        """Trains, from the start or from the checkpoint to resume.

        Raises InputError for settings that Lightning refuses, and for a checkpoint with another state."""
        self.datamodule.prepare_data()  # before other processes start: an unreadable file must not leave them waiting
        checkpoint = None if self.resume is None else self.resume.absolute_path
        try:
            self.trainer.fit(self.module, self.datamodule, ckpt_path=checkpoint, weights_only=True)
        except Exception as error:
            if is_refused_by_lightning(error):
                raise InputError(self._refusal(error)) from error
            if self.resume is None or self._has_other_cause(error):
                raise
            raise InputError(f"{self.resume.path}: does not hold the state of this run ({error})") from error
        finally:
            self._record_fit()
        self.history.write()

    def _has_other_cause(self, error: Exception) -> bool:
        """Whether an error has another cause than the state of a resumed checkpoint."""
        is_other = isinstance(error, InputError | OSError | torch.OutOfMemoryError)
        return self.history.started or is_other or is_disconnected(error)

    def _refusal(self, error: Exception) -> str:
        """An error of Lightning or of a callback about the settings, as one line."""
        reason = " ".join(str(error).split()).removesuffix(".")
        if "logger" in reason and not self.trainer.loggers:
            return f"trainer: {reason}; add logger=tensorboard, logger=wandb or logger=mlflow"
        return f"trainer: {reason}"

    def _record_fit(self) -> None:
        metrics, history = self.metrics, self.history
        metrics.epochs = history.complete_epochs
        metrics.seconds["fit"] = history.fit_seconds
        if history.rows:
            metrics.checkpoint = "checkpoints/last.ckpt"
            metrics.images_per_second = history.images_per_second(self.images_per_epoch)

    @property
    def images_per_epoch(self) -> int:
        """The number of training digits, or of those in `trainer.limit_train_batches`."""
        total = len(self.datamodule.splits["train"].labels)
        batches = count_batches(total, self.datamodule.batch_size)
        return round(total * min(1, self.trainer.num_training_batches / batches))

"""Ends a hopeless job of a search early."""

import json
import logging
from pathlib import Path

import optuna
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from optuna.trial import TrialState, create_trial

from digits.errors import InputError
from digits.runs.metrics_file import RunMetrics
from digits.training.callbacks import EpochHistory

log = logging.getLogger(__name__)


class MedianPruning(Checkpoint):
    """Stops the training when Optuna's MedianPruner decides so, and then sets the `reason` of the metrics. It decides
    after the first half of the epochs: while a schedule still has high learning rates, errors say little about the end.

    `earlier` is a JSON file with the validation error of each epoch of each earlier trial. Nothing else decides, so
    that a resumed job decides as before. List it after `history`, see there.

    Raises InputError if the file is damaged."""

    def __init__(self, earlier: Path, history: EpochHistory, metrics: RunMetrics) -> None:
        self.history, self.metrics = history, metrics
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study()
        try:
            for curve in json.loads(earlier.read_text()):
                errors = {epoch: float(error) for epoch, error in enumerate(curve, 1)}
                self.study.add_trial(create_trial(value=errors[len(errors)], intermediate_values=errors))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{earlier}: damaged; remove the file") from error

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        errors = {int(row["epoch"]): row["val/error"] for row in self.history.rows}
        if not errors or len(errors) == trainer.max_epochs:  # stopping after the last epoch would save nothing
            return
        if len(errors) < (trainer.min_epochs or 0):
            return
        assert trainer.max_epochs is not None
        pruner = optuna.pruners.MedianPruner(n_warmup_steps=trainer.max_epochs // 2)
        if pruner.prune(self.study, create_trial(state=TrialState.RUNNING, intermediate_values=errors)):
            trainer.should_stop = True
            epochs = f"{len(errors)} of {trainer.max_epochs} epochs"
            self.metrics.reason = f"pruned after {epochs} with validation error {errors[len(errors)]:.2%}"

    on_train_start = on_train_epoch_end  # of a job that was killed after its last epoch

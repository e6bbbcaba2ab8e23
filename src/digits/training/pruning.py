"""Ends an unpromising job of a search early."""

import json
import logging
from pathlib import Path

import optuna
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from optuna.trial import TrialState, create_trial

from digits.errors import InputError
from digits.runs.folder import errors_by_epoch
from digits.runs.metrics_file import RunMetrics
from digits.training.history import EpochHistory

log = logging.getLogger(__name__)


class MedianPruning(Checkpoint):
    """Stops the training when Optuna's MedianPruner decides so, and then sets the `reason` of the metrics. It decides
    after the first half of the epochs: while a schedule still has high learning rates, errors say little about the end.

    `earlier` is a JSON file with the validation error of each epoch of each earlier trial, null for an epoch that was
    not validated. Nothing else decides, so that a resumed job decides as before. List it after `history`, see there.

    Raises InputError if the file is damaged."""

    def __init__(self, earlier: Path, history: EpochHistory, metrics: RunMetrics) -> None:
        self.history, self.metrics = history, metrics
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study()
        try:
            for curve in json.loads(earlier.read_text()):
                errors = errors_by_epoch(curve)
                self.study.add_trial(create_trial(value=errors[max(errors)], intermediate_values=errors))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{earlier}: damaged; remove the file") from error

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        rows = self.history.rows
        if not rows or len(rows) == trainer.max_epochs:  # stopping after the last epoch would save nothing
            return
        if len(rows) < (trainer.min_epochs or 0):
            return
        if "val/error" not in rows[-1]:  # the epoch was not validated
            return
        errors = {int(row["epoch"]): row["val/error"] for row in rows if "val/error" in row}
        assert trainer.max_epochs is not None
        pruner = optuna.pruners.MedianPruner(n_warmup_steps=trainer.max_epochs // 2)
        if pruner.prune(self.study, create_trial(state=TrialState.RUNNING, intermediate_values=errors)):
            trainer.should_stop = True
            epochs = f"{len(rows)} of {trainer.max_epochs} epochs"
            self.metrics.reason = f"pruned after {epochs} with validation error {rows[-1]['val/error']:.2%}"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # The job was killed after its last epoch: decide again.
        self.on_train_epoch_end(trainer, pl_module)

"""Callbacks of every run that act at the start and the end of an epoch."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from digits.seeding import derive_seed


class ReseedEachEpoch(Callback):
    """Seeds the global generators (dropout, augmentation) for each epoch, equally in all processes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.manual_seed(derive_seed(self.seed, trainer.current_epoch))


class StopAtEpochEnd(Checkpoint):
    """Postpones a stop within an epoch to its end. `trainer.max_time` stops within an epoch, and so does EarlyStopping
    with several validations per epoch. Each epoch is then complete, and a run can be compared with one of fewer epochs.

    Subclasses Checkpoint because Lightning runs Checkpoint callbacks after the others, which stop the training."""

    def __init__(self) -> None:
        self.is_requested = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._postpone(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._postpone(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.is_requested:
            trainer.should_stop = True
            self.is_requested = False

    def _postpone(self, trainer: Trainer) -> None:
        if trainer.should_stop and trainer.state.fn == TrainerFn.FITTING and not trainer.is_last_batch:
            trainer.should_stop = False
            self.is_requested = True

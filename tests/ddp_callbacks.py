"""Callbacks and an augmentation for tests of several processes."""

import os
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from digits.data.augmentation import RandomTransform


class Float64(Callback):
    """Trains in float64: rounding in float32 changes which activations are 0, and the gradient by a percent."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        pl_module.network.double()  # type: ignore[operator, union-attr]


class Float64Transform(RandomTransform):
    def forward(self, pixels: Tensor) -> Tensor:
        return super().forward(pixels).double()


class SendSignal(Callback):
    """The process of rank 1 sends a signal to rank 0 or 1: in the second epoch, or while rank 0 waits for it."""

    def __init__(self, number: int, rank: int, connected: bool, folder: str) -> None:
        self.number, self.rank, self.connected, self.folder = number, rank, connected, Path(folder)
        if not connected and os.environ.get("LOCAL_RANK") == "1":
            self._send()

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if self.connected and trainer.global_rank == 1 and trainer.current_epoch == 1:
            self._send()

    def _send(self) -> None:
        (self.folder / "sent").touch()
        os.kill(os.getpid() if self.rank == 1 else os.getppid(), self.number)

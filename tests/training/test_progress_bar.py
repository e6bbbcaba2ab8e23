"""The progress bar of a training."""

from typing import Any

import torch
from helpers import TinyModule, tiny_trainer
from lightning.pytorch import Callback
from torch.utils.data import DataLoader

from digits.training.progress_bar import ProgressBar


class RecordDescriptions(Callback):
    def __init__(self, bar: ProgressBar) -> None:
        self.bar = bar
        self.descriptions: list[str] = []

    def on_train_batch_end(self, *_: object) -> None:
        self.descriptions.append(self.bar.train_progress_bar.description)


def test_progress_bar_counts_epochs_from_one() -> None:
    bar = ProgressBar(refresh_rate=10)
    record = RecordDescriptions(bar)
    trainer = tiny_trainer(max_epochs=2, callbacks=[bar, record], enable_progress_bar=True)
    batches: Any = DataLoader([torch.ones(1)])
    trainer.fit(TinyModule(), batches)
    assert record.descriptions == ["Epoch 1/2", "Epoch 2/2"]

"""The progress bar of a training."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from digits.training.trainer import ProgressBar


class TinyModule(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.layer(batch).sum()  # type: ignore[no-any-return]

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


class RecordDescriptions(Callback):
    def __init__(self, bar: ProgressBar) -> None:
        self.bar = bar
        self.descriptions: list[str] = []

    def on_train_batch_end(self, *_: object) -> None:
        self.descriptions.append(self.bar.train_progress_bar.description)


def test_progress_bar_counts_epochs_from_one() -> None:
    bar = ProgressBar(refresh_rate=10)
    record = RecordDescriptions(bar)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=2,
        callbacks=[bar, record],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    batches: Any = DataLoader([torch.ones(1)])
    trainer.fit(TinyModule(), batches)
    assert record.descriptions == ["Epoch 1/2", "Epoch 2/2"]

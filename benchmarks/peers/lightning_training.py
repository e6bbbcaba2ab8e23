"""Plain Lightning: pytorch_training as a LightningModule and a LightningDataModule. Metrics are updated and logged in
every step, as in lightning-hydra-template."""

import logging
import time
import warnings

import torch
import torch.nn.functional as F
from lightning import LightningDataModule, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from benchmarks.peers.options import options
from benchmarks.peers.pytorch_network import kaggle_cnn, mnist
from benchmarks.worker import serve_rounds


class MNISTModule(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = kaggle_cnn()
        self.train_accuracy = MulticlassAccuracy(10)
        self.train_loss = MeanMetric()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        logits = self.network(images)
        loss = F.cross_entropy(logits, labels)
        self.train_loss(loss)
        self.train_accuracy(logits.argmax(1), labels)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True)
        self.log("train/accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def on_train_epoch_start(self) -> None:
        self.started_at = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        self.seconds = time.perf_counter() - self.started_at

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(self.parameters(), lr=1e-3, alpha=0.9)


class MNISTDataModule(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.digits = mnist(options.root, train=True, augment=options.augment)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(self.digits, batch_size=128, shuffle=True)


def measure(steps: int = options.steps) -> dict[str, float]:
    trainer = Trainer(
        max_epochs=1,
        limit_train_batches=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule)
    return {"images/s": steps * 128 / module.seconds}


logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.simplefilter("ignore")
module, datamodule = MNISTModule(), MNISTDataModule()
measure(20)
serve_rounds(measure)

"""The LightningModule: scale, augment, step, predict, optimizer."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics.classification import MulticlassConfusionMatrix

from digits.data.sources import Digits
from digits.errors import InputError
from digits.evaluation.metrics import ErrorRate, LogitsCollector, MisclassifiedImages
from digits.evaluation.score import Score
from digits.models.layers import scale_images

Schedule = Callable[[Optimizer, int, int], dict[str, Any]]


class DigitsModule(LightningModule):
    """Trains a network of `digits.models.networks` with an optimizer made from its parameters, a schedule of
    `digits.training.schedules` and an augmentation that maps pixels float32 [N, 1, 28, 28] in [0, 1] to the same.

    The latest training, validation and test leave their scores in `scores`; the latest of the two evaluations also
    its confusion matrix, int64 [10, 10] with the labels as rows, its mistakes (see `Mistakes.compute`), and all its
    logits float32 [N, 10] with their labels int64 [N].
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule | None = None,
        augment: nn.Module | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.make_optimizer = optimizer
        self.schedule = schedule
        self.augment = augment or nn.Identity()
        self.label_smoothing = label_smoothing
        self.training_error = ErrorRate()
        self.evaluation_error = ErrorRate()
        self.count_confusion = MulticlassConfusionMatrix(10)
        self.collect_mistakes = MisclassifiedImages()
        self.collect_logits = LogitsCollector()
        self.scores: dict[str, Score] = {}
        self.confusion = torch.zeros(10, 10, dtype=torch.int64)
        self.mistakes: dict[str, Tensor] = {}
        self.logits = torch.zeros(0, 10)
        self.labels = torch.zeros(0, dtype=torch.int64)

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to logits [N, 10]."""
        logits: Tensor = self.network(scale_images(images))
        return logits

    def training_step(self, batch: Digits, batch_idx: int) -> Tensor:
        images, labels = batch
        with torch.autocast(self.device.type, enabled=False):  # bfloat16 coordinates would be off by a pixel
            pixels = self.augment(scale_images(images))
        logits = self.network(pixels)
        self.training_error.update(logits, labels)
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def validation_step(self, batch: Digits, batch_idx: int) -> None:
        images, labels = batch
        logits = self(images).float()
        for metric in (self.evaluation_error, self.count_confusion, self.collect_logits):
            metric.update(logits, labels)
        self.collect_mistakes.update(images, logits, labels)

    test_step = validation_step

    def on_validation_epoch_start(self) -> None:
        if dist.is_initialized():  # each process has batch statistics of its own; the first one's are saved
            for buffer in self.network.buffers():
                dist.broadcast(buffer, 0)

    def on_train_epoch_end(self) -> None:
        self._finish("train", self.training_error)
        loss = self.scores["train"].loss
        if not math.isfinite(loss):
            raise InputError(
                f"training diverged: the loss is {loss} in epoch {self.current_epoch + 1}; "
                "a lower optimizer.lr is the first thing to try"
            )

    def on_validation_epoch_end(self) -> None:
        self._finish_evaluation("val")

    def on_test_epoch_end(self) -> None:
        self._finish_evaluation("test")

    def _finish_evaluation(self, stage: str) -> None:
        self._finish(stage, self.evaluation_error)
        self.confusion = self.count_confusion.compute()
        self.mistakes = self.collect_mistakes.compute()
        self.logits, self.labels = (part.cpu() for part in self.collect_logits.compute())
        for metric in (self.count_confusion, self.collect_mistakes, self.collect_logits):
            metric.reset()

    def _finish(self, stage: str, metric: ErrorRate) -> None:
        score = self.scores[stage] = metric.compute()
        metric.reset()
        self.log_dict({f"{stage}/error": score.error, f"{stage}/loss": score.loss})

    def configure_optimizers(self) -> Any:
        try:
            optimizer = self.make_optimizer(self.network.parameters())
            epochs = self.trainer.max_epochs
            if self.schedule is None or epochs is None:
                return optimizer
            steps = int(self.trainer.estimated_stepping_batches)
            return {"optimizer": optimizer, "lr_scheduler": self.schedule(optimizer, steps, epochs)}
        except (TypeError, ValueError) as error:
            raise InputError(f"optimizer or schedule: {error}") from error

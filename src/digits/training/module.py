"""The LightningModule: scale, augment, train, evaluate, optimize."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import update_bn

from digits.data.non_digits import NO_DIGIT, make_non_digits
from digits.data.shares import share, world_size
from digits.data.sources import Digits
from digits.errors import InputError
from digits.evaluation.metrics import ErrorRate
from digits.evaluation.score import Score
from digits.models.layers import scale_images
from digits.training.distillation import Teacher
from digits.training.whole_batch import WholeBatch

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
Schedule = Callable[[Optimizer, int, int], dict[str, Any]]


class DigitsModule(LightningModule):
    """Trains a network from pixels float32 [N, 1, 28, 28] in [0, 1] to logits [N, 10] with an optimizer, a schedule of
    `digits.training.schedules` and an augmentation that maps pixels to pixels.

    With a teacher, the loss is the weighted mean of the loss against the teacher and the loss against the labels.
    `non_digits` is the number of made images without a digit in each batch, a fraction of its digits. Their
    probabilities are trained to be equal. Batch normalization then measures both, until it is recomputed.
    `scores` holds the latest score of each stage: train, val and test.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer_factory: OptimizerFactory,
        schedule: Schedule | None = None,
        augment: nn.Module | None = None,
        label_smoothing: float = 0.0,
        teacher: Teacher | None = None,
        teacher_weight: float = 1.0,
        non_digits: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.optimizer_factory = optimizer_factory
        self.schedule = schedule
        self.augment = augment or nn.Identity()
        self.label_smoothing = label_smoothing
        self.teachers = (teacher,) if teacher else ()  # a tuple: its weights are no part of this module
        self.teacher_weight = teacher_weight
        self.non_digits = non_digits
        self.train_error = ErrorRate()
        self.eval_error = ErrorRate()
        self.scores: dict[str, Score] = {}

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to logits [N, 10]."""
        logits: Tensor = self.network(scale_images(images))
        return logits

    def setup(self, stage: str) -> None:
        if stage == "fit" and world_size() > 1:
            if self.non_digits * world_size() >= 1:  # a process could have no digits
                raise InputError(f"non_digits={self.non_digits} needs fewer than {world_size()} processes")
            self.whole_batch = WholeBatch(self.network)
        for teacher in self.teachers:
            teacher.to(self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["teacher"] = self.teacher_hashes

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        old, new = checkpoint.get("teacher", {}), self.teacher_hashes
        if sorted(old.values()) != sorted(new.values()):
            raise InputError(f"teacher: the run started with {', '.join(old)}; resume with the same files")

    @property
    def teacher_hashes(self) -> dict[str, str]:
        """The SHA-256 of each checkpoint of the teacher, by its path."""
        return {path: value for teacher in self.teachers for path, value in teacher.hashes.items()}

    def training_step(self, batch: Digits, batch_idx: int) -> Tensor:
        images, labels = batch
        with torch.autocast(self.device.type, enabled=False):  # bfloat16 coordinates would be off by a pixel
            pixels = scale_images(images)
            count = round(self.non_digits * len(images))
            # All images pass through the same augmentation, so that no texture tells digits from others.
            pixels = torch.cat([pixels, make_non_digits(pixels, count)])
            if hasattr(self.augment, "needs_labels"):
                pixels = self.augment(pixels, F.pad(labels, (0, count), value=NO_DIGIT))
            else:
                pixels = self.augment(pixels)
        size = len(pixels)
        if world_size() > 1:
            if len(images) < world_size():
                raise InputError(f"{len(images)} training images cannot be shared by {world_size()} processes")
            self.whole_batch.size = size
            indices = share(torch.arange(size))
            pixels, labels = share(pixels), labels[indices[0] : indices[-1] + 1]
        logits = self.network(pixels)
        non_digits = logits[len(labels) :]
        pixels, logits = pixels[: len(labels)], logits[: len(labels)]
        self.train_error.update(logits, labels)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        for teacher in self.teachers:
            loss = self.teacher_weight * teacher.loss(pixels, logits) + (1 - self.teacher_weight) * loss
        loss = loss * len(labels)
        if len(non_digits):
            loss = loss - non_digits.float().log_softmax(1).mean(1).sum()
        return loss * (world_size() / size)  # DDP averages over shares of different sizes

    def recompute_batch_norm(self, images: Tensor) -> None:
        """Replaces the statistics of batch normalization by their means over batches of images uint8 [N, 28, 28],
        without augmentation ("precise batch normalization", Y. Wu and J. Johnson, arXiv:2105.07576)."""

        def batches() -> Iterator[Tensor]:
            for batch in images.tensor_split(-(-len(images) // 256)):  # a small last batch would count as much
                if world_size() > 1:
                    self.whole_batch.size = len(batch)
                yield share(batch)

        update_bn(batches(), self.to(images.device))

    def validation_step(self, batch: Digits, batch_idx: int) -> Tensor:
        images, labels = batch
        logits: Tensor = self(images).float()
        self.eval_error.update(logits, labels)
        return logits

    test_step = validation_step

    def on_train_epoch_end(self) -> None:
        self._log_score("train", self.train_error)
        loss = self.scores["train"].means["loss"]
        if not math.isfinite(loss):
            raise InputError(
                f"training diverged: the loss is {loss} in epoch {self.current_epoch + 1}; try a lower optimizer.lr"
            )

    def on_validation_epoch_end(self) -> None:
        self._log_score("val", self.eval_error)

    def on_test_epoch_end(self) -> None:
        self._log_score("test", self.eval_error)

    def _log_score(self, stage: str, metric: ErrorRate) -> None:
        score = self.scores[stage] = metric.compute()
        metric.reset()
        self.log_dict({f"{stage}/{name}": value for name, value in {"error": score.error, **score.means}.items()})

    def configure_optimizers(self) -> Any:
        try:
            optimizer = self.optimizer_factory(self.network.parameters())
            epochs = self.trainer.max_epochs
            if self.schedule is None or epochs is None:
                return optimizer
            steps = int(self.trainer.estimated_stepping_batches)
            return {"optimizer": optimizer, "lr_scheduler": self.schedule(optimizer, steps, epochs)}
        except (TypeError, ValueError) as error:
            raise InputError(f"optimizer or schedule: {error}") from error

"""The LightningModule: prepare a batch, apply the network, compute the loss; optimizer, schedule and scores."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

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
from digits.evaluation.evaluate import count_batches
from digits.evaluation.metrics import ErrorRate
from digits.evaluation.score import Score
from digits.models.freezing import batch_norms, freeze_layers
from digits.models.layers import scale_images
from digits.runs.initial_weights import InitialWeights
from digits.training.loss import TrainingLoss
from digits.training.sync_layers import SyncLayers

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
Schedule = Callable[[Optimizer, int, int], dict[str, Any]]


class TrainBatch(NamedTuple):
    """The part of a training batch that this process computes: N digits, and after them images without a digit."""

    pixels: Tensor
    """float32 [M, 1, 28, 28]"""
    labels: Tensor
    """int64 [N]"""
    whole_size: int
    """images of the batch over all processes"""


class DigitsModule(LightningModule):
    """Trains a network from pixels float32 [N, 1, 28, 28] in [0, 1] to logits [N, 10] with an optimizer, a schedule of
    `digits.training.schedules` and an augmentation that maps pixels to pixels.

    `non_digits`: added images without a digit, as a fraction of the batch. They distort the statistics of batch
    normalization; `recompute_batch_norm` corrects them.
    `scores` holds the latest score of each stage: train and val.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer_factory: OptimizerFactory,
        schedule: Schedule | None = None,
        augment: nn.Module | None = None,
        loss: TrainingLoss | None = None,
        non_digits: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.optimizer_factory = optimizer_factory
        self.schedule = schedule
        self.augment = augment or nn.Identity()
        self.loss = loss or TrainingLoss()
        self.non_digits = non_digits
        self.initial: InitialWeights | None = None  # random weights
        self.keeps_statistics = False  # of batch normalization
        self.train_error = ErrorRate()
        self.eval_error = ErrorRate()
        self.scores: dict[str, Score] = {}
        self.sync_layers: SyncLayers | None = None  # with several processes

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to logits [N, 10]."""
        logits: Tensor = self.network(scale_images(images))
        return logits

    def setup(self, stage: str) -> None:
        if stage == "fit" and world_size() > 1:
            if self.non_digits * world_size() >= 1:  # a process could have no digits
                raise InputError(f"non_digits={self.non_digits} needs fewer than {world_size()} processes")
            self.sync_layers = SyncLayers(self.network)
        if self.loss.teacher is not None:
            self.loss.teacher.to(self.device)

    def freeze_layers(self, count: int) -> None:
        """Keeps the weights of the first `count` layers, and the statistics of batch normalization in all layers: a few
        digits would give other statistics.

        Raises InputError if no layer is left to train."""
        freeze_layers(self.network, count)
        self.keeps_statistics = True
        self.train(self.training)

    def train(self, mode: bool = True) -> "DigitsModule":
        super().train(mode)
        if self.keeps_statistics:
            for layer in batch_norms(self.network):
                layer.eval()
        return self

    def training_step(self, batch: Digits, batch_idx: int) -> Tensor:
        pixels, labels, whole_size = self._prepare(batch)
        logits = self.network(pixels)
        self.train_error.update(logits[: len(labels)], labels)
        loss = self.loss.sum(pixels, logits, labels)
        return loss * (world_size() / whole_size)  # DDP averages over shares of different sizes

    def _prepare(self, batch: Digits) -> TrainBatch:
        """Adds images without a digit, augments all images, and takes the share of this process. Each process draws the
        same random numbers for the whole batch."""
        images, labels = batch
        with torch.autocast(self.device.type, enabled=False):  # bfloat16 coordinates would be off by a pixel
            pixels = scale_images(images)
            count = round(self.non_digits * len(images))
            # All images pass through the same augmentation, so that no texture tells digits from others.
            pixels = torch.cat([pixels, make_non_digits(pixels, count)])
            pixels = self._augment(pixels, F.pad(labels, (0, count), value=NO_DIGIT))
        size = len(pixels)
        if world_size() == 1:
            return TrainBatch(pixels, labels, size)
        if len(images) < world_size():
            raise InputError(f"{len(images)} training images cannot be shared by {world_size()} processes")
        self._set_batch_size(size)
        # Digits come first: a share that reaches into the other images has fewer labels than pixels.
        positions = share(torch.arange(size))
        first, last = positions[0], positions[-1]
        return TrainBatch(share(pixels), labels[first : last + 1], size)

    def _augment(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Labels int64 [N], `NO_DIGIT` for images without a digit."""
        needs_labels = getattr(self.augment, "needs_labels", False)
        augmented: Tensor = self.augment(pixels, labels) if needs_labels else self.augment(pixels)
        return augmented

    def recompute_batch_norm(self, images: Tensor) -> None:
        """Replaces the statistics of batch normalization by their means over batches of images uint8 [N, 28, 28],
        without augmentation ("precise batch normalization", Y. Wu and J. Johnson, arXiv:2105.07576)."""
        update_bn(self._shares(images), self.to(images.device))

    def _shares(self, images: Tensor) -> Iterator[Tensor]:
        """The share of this process of each batch. The batches have nearly equal sizes: a small one would count as much
        as the others."""
        for batch in images.tensor_split(count_batches(len(images), 256)):
            self._set_batch_size(len(batch))
            yield share(batch)

    def _set_batch_size(self, size: int) -> None:
        """The number of images in the next batch over all processes."""
        if self.sync_layers is not None:
            self.sync_layers.batch_size = size

    def validation_step(self, batch: Digits, batch_idx: int) -> None:
        images, labels = batch
        self.eval_error.update(self(images), labels)

    def on_train_epoch_end(self) -> None:
        self._log_score("train", self.train_error)
        loss = self.scores["train"].means["loss"]
        if not math.isfinite(loss):
            raise InputError(
                f"training diverged: the loss is {loss} in epoch {self.current_epoch + 1}; try a lower optimizer.lr"
            )

    def on_validation_epoch_end(self) -> None:
        self._log_score("val", self.eval_error)

    def _log_score(self, stage: str, metric: ErrorRate) -> None:
        score = metric.compute()
        metric.reset()
        self.scores[stage] = score
        self.log_dict(score.by_name(stage))

    def configure_optimizers(self) -> Any:
        try:
            optimizer = self.optimizer_factory(self.trained_parameters)
            epochs = self.trainer.max_epochs
            if self.schedule is None or epochs is None:
                return optimizer
            steps = int(self.trainer.estimated_stepping_batches)
            return {"optimizer": optimizer, "lr_scheduler": self.schedule(optimizer, steps, epochs)}
        except (TypeError, ValueError) as error:
            raise InputError(f"optimizer or schedule: {error}") from error

    @property
    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters that are not frozen."""
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    @property
    def init_hash(self) -> dict[str, str]:
        """The SHA-256 of the checkpoint with the initial weights, by its path; empty for random weights."""
        return {self.initial.name: self.initial.sha256} if self.initial is not None else {}

    @property
    def teacher_hashes(self) -> dict[str, str]:
        """The SHA-256 of each checkpoint of the teacher, by its path; empty without a teacher."""
        return self.loss.teacher.hashes if self.loss.teacher is not None else {}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["teacher"] = self.teacher_hashes
        checkpoint["init"] = self.init_hash

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        _require_same_files("teacher", checkpoint.get("teacher", {}), self.teacher_hashes)
        _require_same_files("init", checkpoint.get("init", {}), self.init_hash)


def _require_same_files(setting: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Raises InputError unless a resumed run has the files that it started with. Both map paths to hashes."""
    if sorted(old.values()) != sorted(new.values()):
        raise InputError(f"{setting}: the run started with {', '.join(old)}; resume with the same files")

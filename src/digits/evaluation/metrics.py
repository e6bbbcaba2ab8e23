"""Counts and collections over all batches and processes of an epoch, as torchmetrics."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from digits.evaluation.score import Score

MEANS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"loss": partial(F.cross_entropy, reduction="sum")}
"""Quantities whose mean over the images is reported in metrics.json, history.csv and leaderboards: functions of logits
float32 [N, 10] and labels int64 [N] that return the sum over the images. To add a metric, add it here."""


class ErrorRate(Metric):
    """The error rate (1 − accuracy), counted over all batches and processes and never averaged over batches, and the
    `MEANS` of the same images."""

    full_state_update = False
    higher_is_better = False

    errors: Tensor
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("errors", "total"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        for name in MEANS:
            self.add_state(name, torch.zeros(()), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Logits float [N, 10], labels int64 [N]."""
        logits = logits.detach()
        self.errors += (logits.argmax(1) != labels).sum()
        self.total += len(labels)
        for name, summed in MEANS.items():
            setattr(self, name, getattr(self, name) + summed(logits.float(), labels))

    def compute(self) -> Score:
        """The score over all batches so far, in all processes."""
        total = int(self.total)
        return Score(int(self.errors), total, {name: float(getattr(self, name)) / total for name in MEANS})


class Misclassified(NamedTuple):
    """The M misclassified images of an evaluation, the most confident mistake first."""

    images: Tensor
    """uint8 [M, 28, 28]"""
    labels: Tensor
    """int64 [M]"""
    predicted: Tensor
    """int64 [M]"""
    confidence: Tensor
    """float32 [M]"""
    indices: Tensor
    """int64 [M]: positions of the images in their source"""


class Evaluation(NamedTuple):
    """All N images of a validation or test set with their logits, on the CPU."""

    score: Score
    images: Tensor
    """uint8 [N, 28, 28]"""
    labels: Tensor
    """int64 [N]"""
    logits: Tensor
    """float32 [N, 10]"""
    indices: Tensor
    """int64 [N]: positions of the images in their source"""

    @property
    def predicted(self) -> Tensor:
        """int64 [N]"""
        return self.logits.argmax(1)

    @property
    def confusion(self) -> Tensor:
        """Counts int64 [10, 10]: row is the label, column the predicted label."""
        return torch.bincount(10 * self.labels + self.predicted, minlength=100).view(10, 10)

    @property
    def misclassified(self) -> Misclassified:
        confidence, predicted = self.logits.softmax(1).max(1)
        wrong = torch.nonzero(predicted != self.labels).flatten()
        order = wrong[confidence[wrong].argsort(descending=True)]
        return Misclassified(*(part[order] for part in (self.images, self.labels, predicted, confidence, self.indices)))


class EvaluationCollector(Metric):
    """Keeps the images, labels and logits of all batches and processes."""

    full_state_update = False

    images: list[Tensor]
    labels: list[Tensor]
    logits: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("images", "labels", "logits"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, images: Tensor, labels: Tensor, logits: Tensor) -> None:
        """Images uint8 [N, 28, 28], labels int64 [N], logits float32 [N, 10]."""
        self.images.append(images)
        self.labels.append(labels)
        self.logits.append(logits)

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """Images, labels and logits on the CPU."""
        images, labels, logits = (dim_zero_cat(part).cpu() for part in (self.images, self.labels, self.logits))
        return images, labels, logits

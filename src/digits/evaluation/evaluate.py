"""The evaluation of a validation or test set: logits, score, confusion matrix and misclassified images."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from digits.evaluation.metrics import ErrorRate
from digits.evaluation.score import Score


class Split(NamedTuple):
    """The N images of a validation or test set."""

    images: Tensor
    """uint8 [N, 28, 28]"""
    labels: Tensor
    """int64 [N]"""
    indices: Tensor
    """int64 [N]: positions of the images in their source"""


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

    split: Split
    logits: Tensor
    """float32 [N, 10]"""
    score: Score

    @property
    def predicted(self) -> Tensor:
        """int64 [N]"""
        return self.logits.argmax(1)

    @property
    def confusion(self) -> Tensor:
        """Counts int64 [10, 10]: row is the label, column the predicted label."""
        return torch.bincount(10 * self.split.labels + self.predicted, minlength=100).view(10, 10)

    @property
    def misclassified(self) -> Misclassified:
        confidence, predicted = self.logits.softmax(1).max(1)
        wrong = torch.nonzero(predicted != self.split.labels).flatten()
        order = wrong[confidence[wrong].argsort(descending=True)]
        return Misclassified(
            self.split.images[order],
            self.split.labels[order],
            predicted[order],
            confidence[order],
            self.split.indices[order],
        )

    def scaled(self, temperature: float) -> "Evaluation":
        """The evaluation with the logits divided by a temperature. The score is that of the network itself."""
        return self._replace(logits=self.logits / temperature)


def evaluate(predict_logits: Callable[[Tensor], Tensor], split: Split, batch_size: int) -> Evaluation:
    """Evaluates a function from images uint8 [B, 28, 28] to logits float [B, 10] on a split, in batches of at most
    `batch_size` images, which differ in size by at most one. The split and the function are on the same device."""
    batches = count_batches(len(split.labels), batch_size)
    error_rate = ErrorRate(sync_on_compute=False).to(split.images.device)
    logits = []
    with torch.inference_mode():
        for images, labels in zip(split.images.tensor_split(batches), split.labels.tensor_split(batches), strict=True):
            batch_logits = predict_logits(images).float()
            error_rate.update(batch_logits, labels)
            logits.append(batch_logits)
        on_cpu = Split(split.images.cpu(), split.labels.cpu(), split.indices.cpu())
        return Evaluation(on_cpu, torch.cat(logits).cpu(), error_rate.compute())


def count_batches(images: int, batch_size: int) -> int:
    """The number of batches of at most `batch_size` images."""
    return -(-images // batch_size)

"""What is counted in training and evaluation, over all batches and processes."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from digits.evaluation.score import Score


class ErrorRate(Metric):
    """Mistakes over images (1 − accuracy), counted over all batches and processes and never averaged over
    batches; beside it the mean cross-entropy of the same images, without label smoothing.
    """

    full_state_update = False
    higher_is_better = False

    errors: Tensor
    total: Tensor
    loss: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, dtype in (("errors", torch.int64), ("total", torch.int64), ("loss", torch.float32)):
            self.add_state(name, torch.zeros((), dtype=dtype), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Logits float [N, 10], labels int64 [N]."""
        self.errors += (logits.argmax(1) != labels).sum()
        self.total += len(labels)
        self.loss += F.cross_entropy(logits.detach().float(), labels, reduction="sum")

    def compute(self) -> Score:
        """The score over all batches so far, in all processes."""
        total = int(self.total)
        return Score(int(self.errors), total, float(self.loss) / total)


class MisclassifiedImages(Metric):
    """The images that were misread, from all batches and processes."""

    full_state_update = False

    images: list[Tensor]
    labels: list[Tensor]
    predicted: list[Tensor]
    confidence: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("images", "labels", "predicted", "confidence"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, images: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Images uint8 [N, 28, 28], logits float [N, 10], labels int64 [N]."""
        confidence, predicted = logits.softmax(1).max(1)
        wrong = predicted != labels
        self.images.append(images[wrong])
        self.labels.append(labels[wrong])
        self.predicted.append(predicted[wrong])
        self.confidence.append(confidence[wrong])

    def compute(self) -> dict[str, Tensor]:
        """`images` uint8 [M, 28, 28], `labels` and `predicted` int64 [M], `confidence` float32 [M], surest first."""
        confidence = dim_zero_cat(self.confidence)
        order = confidence.argsort(descending=True)
        return {
            "images": dim_zero_cat(self.images)[order],
            "labels": dim_zero_cat(self.labels)[order],
            "predicted": dim_zero_cat(self.predicted)[order],
            "confidence": confidence[order],
        }


class LogitsCollector(Metric):
    """All logits of an evaluation and their labels, from all batches and processes."""

    full_state_update = False

    logits: list[Tensor]
    labels: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("logits", "labels"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Logits float [N, 10], labels int64 [N]."""
        self.logits.append(logits)
        self.labels.append(labels)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Logits float [N, 10], labels int64 [N]."""
        return dim_zero_cat(self.logits), dim_zero_cat(self.labels)

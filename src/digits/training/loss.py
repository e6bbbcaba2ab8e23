"""The loss of a training batch."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from digits.training.distillation import Teacher


@dataclass(frozen=True)
class TrainingLoss:
    """Cross-entropy in nats. With a teacher, the weighted mean of the loss against the teacher and the loss against the
    labels. The target of an image without a digit is the uniform distribution.

    It is no module: the weights of the teacher are no part of a checkpoint."""

    label_smoothing: float = 0.0
    teacher: Teacher | None = None
    teacher_weight: float = 1.0

    def sum(self, pixels: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """The sum over M images: pixels float32 [M, 1, 28, 28] and logits [M, 10], of which the first N show a digit
        with labels int64 [N]."""
        digits = len(labels)
        loss = self._mean_of_digits(pixels[:digits], logits[:digits], labels) * digits
        non_digits = logits[digits:]
        if len(non_digits) > 0:
            loss = loss - non_digits.float().log_softmax(1).mean(1).sum()
        return loss

    def _mean_of_digits(self, pixels: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        if self.teacher is not None:
            loss = self.teacher_weight * self.teacher.loss(pixels, logits) + (1 - self.teacher_weight) * loss
        return loss

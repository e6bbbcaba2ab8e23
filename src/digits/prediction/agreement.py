"""The agreement of an exported model or a page with PyTorch."""

from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor

from digits.prediction.classifier import Classifier


@dataclass(frozen=True)
class Agreement:
    """The difference of predictions from PyTorch in float32."""

    images: int
    different_labels: int
    difference: float
    """the largest difference of a probability"""

    def __str__(self) -> str:
        labels = f"the same {self.images:,} labels"
        if self.different_labels:
            labels = f"{self.images - self.different_labels:,} of {self.images:,} labels"
        return f"{labels} as PyTorch, probabilities within {self.difference:.2g}"


def float32_copy(classifier: Classifier) -> Classifier:
    """A copy that predicts in float32 on the CPU."""
    copied = deepcopy(classifier).to("cpu")
    copied.precision = "32-true"
    return copied


def compare(probabilities: Tensor, reference: Classifier, images: Tensor) -> Agreement:
    """Compares probabilities float32 [N, 10] for images uint8 [N, 28, 28] with those of `reference`."""
    expected = reference.predict(images)
    different = (probabilities.argmax(1) != expected.argmax(1)).sum()
    difference = (probabilities - expected).abs().max()
    return Agreement(len(images), int(different), float(difference))

"""The agreement of an exported model or a page with PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digits.errors import InputError
from digits.prediction.checkpoint_member import CheckpointMember
from digits.prediction.classifier import Classifier
from digits.prediction.members import Member


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


def in_float32(members: Sequence[Member], message: str) -> list[CheckpointMember]:
    """Copies of the members that predict in float32 on the CPU. Raises InputError with the message for an ONNX
    model, which has no layers to read."""
    copies = []
    for member in members:
        if not isinstance(member, CheckpointMember):
            raise InputError(message)
        copies.append(member.in_float32())
    return copies


def compare(probabilities: NDArray[np.float32], reference: Classifier, images: NDArray[np.uint8]) -> Agreement:
    """Compares probabilities [N, 10] for images [N, 28, 28] with those of `reference`."""
    expected = reference.predict(images)
    different = (probabilities.argmax(1) != expected.argmax(1)).sum()
    difference = np.abs(probabilities - expected).max()
    return Agreement(len(images), int(different), float(difference))

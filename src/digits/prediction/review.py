"""A page to correct labels: one HTML file with the least certain digits, their predictions, and buttons for the label.

It is written without PyTorch.
"""

import base64
import hashlib
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from digits.files import atomic_write
from digits.prediction.chunks import PredictedChunk
from digits.prediction.page_sources import json_in_page, read_page

MAX_DIGITS = 200


@dataclass(frozen=True)
class ReviewedDigit:
    name: str
    """its picture, or its number in the file"""
    image: NDArray[np.uint8]
    """[28, 28]"""
    predicted: int
    confidence: float
    label: int | None
    """if the input has labels"""


class Review:
    """The first `MAX_DIGITS` digits of an input in the order in which a person should check them: those that differ
    from their label, the most confident ones first, because their label is often wrong, and then the others, the least
    confident ones first."""

    def __init__(self) -> None:
        self.total = 0
        """the number of all digits"""
        self.wrong = 0
        """of those that differ from their label"""
        self._ranked_digits: list[tuple[float, ReviewedDigit]] = []

    @property
    def digits(self) -> list[ReviewedDigit]:
        return [digit for _, digit in self._ranked_digits]

    def add(self, chunk: PredictedChunk) -> None:
        """Adds the digits that follow in the input."""
        probabilities, labels = chunk.predictions.probabilities, chunk.digits.labels
        predicted, confidences = probabilities.argmax(1), probabilities.max(1)
        is_wrong = np.zeros(len(predicted), bool)
        if labels is not None:
            is_wrong = predicted != labels
        ranks = np.where(is_wrong, -confidences, confidences)
        for index in np.argsort(ranks, kind="stable")[:MAX_DIGITS].tolist():
            digit = ReviewedDigit(
                name=self._name(chunk, index),
                image=chunk.digits.images[index].copy(),  # a view would keep the images of the whole chunk
                predicted=int(predicted[index]),
                confidence=float(confidences[index]),
                label=None if labels is None else int(labels[index]),
            )
            self._ranked_digits.append((float(ranks[index]), digit))
        self._ranked_digits.sort(key=itemgetter(0))  # of two with the same rank, the earlier one first
        del self._ranked_digits[MAX_DIGITS:]
        self.total += len(predicted)
        self.wrong += int(is_wrong.sum())

    def _name(self, chunk: PredictedChunk, index: int) -> str:
        if not chunk.digits.sources:
            return f"digit {self.total + index + 1:,}"
        source = chunk.digits.sources[index]
        return source.file if source.place is None else f"{source.file}, digit {source.place.index}"

    def describe(self) -> str:
        count = len(self._ranked_digits)
        shown = f"{count:,} of {self.total:,} digits, the least certain first"
        if self.wrong == 0:
            return shown
        wrong = min(count, self.wrong)
        return f"{count:,} of {self.total:,} digits, first {wrong:,} of the {self.wrong:,} that differ from their label"


def write_review(review: Review, path: str) -> None:
    """Writes the page. Raises InputError if it cannot be written."""
    with atomic_write(path) as temp_path:
        temp_path.write_text(build_review(review), encoding="utf-8")


def build_review(review: Review) -> str:
    """The page as text."""
    digits = []
    for digit in review.digits:
        digits.append({
            "name": digit.name,
            "predicted": digit.predicted,
            "confidence": round(digit.confidence, 4),
            "label": digit.label,
            "pixels": base64.b64encode(digit.image.tobytes()).decode(),
        })  # fmt: skip
    content = json_in_page({"description": review.describe(), "digits": digits})
    # The browser stores the chosen labels under this name: pages of other digits have other labels.
    identity = hashlib.sha256(content.encode()).hexdigest()[:16]
    page = read_page("review.html").replace("IDENTITY", identity)
    return page.replace('{"digits":[]}', content)

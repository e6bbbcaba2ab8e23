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
    """The `MAX_DIGITS` least certain digits of an input: those whose label has the least probability, from the first
    one. Without labels, the predicted label counts."""

    def __init__(self) -> None:
        self.total = 0
        """the number of all digits"""
        self._certain_digits: list[tuple[float, ReviewedDigit]] = []
        """with the probability of the label, in rising order"""

    @property
    def digits(self) -> list[ReviewedDigit]:
        return [digit for _, digit in self._certain_digits]

    def add(self, chunk: PredictedChunk) -> None:
        """Adds the digits that follow in the input."""
        probabilities, given = chunk.predictions.probabilities, chunk.digits.labels
        labels = probabilities.argmax(1) if given is None else given
        certainties = probabilities[np.arange(len(labels)), labels]
        for index in np.argsort(certainties, kind="stable")[:MAX_DIGITS].tolist():
            digit = ReviewedDigit(
                name=self._name(chunk, index),
                image=chunk.digits.images[index].copy(),  # a view would keep the images of the whole chunk
                predicted=int(probabilities[index].argmax()),
                confidence=float(probabilities[index].max()),
                label=None if given is None else int(given[index]),
            )
            self._certain_digits.append((float(certainties[index]), digit))
        self._certain_digits.sort(key=itemgetter(0))  # the earlier digit first, if two are as certain
        del self._certain_digits[MAX_DIGITS:]
        self.total += len(labels)

    def _name(self, chunk: PredictedChunk, index: int) -> str:
        if not chunk.digits.sources:
            return f"digit {self.total + index + 1:,}"
        source = chunk.digits.sources[index]
        return source.file if source.place is None else f"{source.file}, digit {source.place.index}"

    def describe(self) -> str:
        if len(self._certain_digits) < self.total:
            return f"the {len(self._certain_digits):,} least certain of {self.total:,} digits"
        return "all digits, the least certain first"


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

"""The numbers of a picture as they are read."""

import numpy as np

from digits.prediction.chunks import DigitChunk, DigitPlace, DigitSource, PredictedChunk
from digits.prediction.classifier import Predictions
from digits.prediction.numbers import numbers_as_read


def predicted(*digits: tuple[str, int, int, int, int]) -> PredictedChunk:
    """Digits of 20×30 pixels: file, index, line, left edge and label."""
    sources = []
    for file, index, line, left, _ in digits:
        place = DigitPlace(index, line, (left, 40 * line, left + 20, 40 * line + 30), (500, 500))
        sources.append(DigitSource(file, "", None, place))
    images = np.zeros((len(digits), 28, 28), np.uint8)
    agreement = np.zeros(len(digits), bool)
    probabilities = np.eye(10, dtype=np.float32)[[label for *_, label in digits]]
    return PredictedChunk(DigitChunk(images, sources=sources), Predictions(probabilities, agreement, agreement), 0.1)


def test_lines_and_blanks_separate_numbers() -> None:
    digits = [("a.png", 1, 1, 0, 4), ("a.png", 2, 1, 25, 0), ("a.png", 3, 1, 90, 7), ("a.png", 4, 2, 0, 1)]
    assert numbers_as_read(predicted(*digits)) == ["a.png: 40 7 / 1"]


def test_each_picture_has_its_line() -> None:
    digits = [("a.png", 1, 1, 0, 4), ("b.png", 1, 1, 0, 0), ("b.png", 2, 1, 25, 7)]
    assert numbers_as_read(predicted(*digits)) == ["a.png: 4", "b.png: 07"]


def test_digits_of_a_file_have_no_numbers() -> None:
    digits = predicted(("a", 1, 1, 0, 4))
    without_places = DigitChunk(digits.digits.images, sources=[DigitSource("a", "", None)])
    assert numbers_as_read(PredictedChunk(without_places, digits.predictions, 0.1)) == []
    assert numbers_as_read(PredictedChunk(DigitChunk(digits.digits.images), digits.predictions, 0.1)) == []

"""Digits in another convention than MNIST's, and labels of other images, are noticed."""

from collections.abc import Iterator

import numpy as np
import pytest

from digits.data.pictures.masks import Array
from digits.data.sources import sample
from digits.prediction.chunks import DigitChunk, PredictedChunk
from digits.prediction.classifier import Predictions
from digits.prediction.input_check import transform_digits, warn_about_labels
from digits.runs.onnx_model import predict_with_bundled

DIGITS, LABELS = (tensor.numpy() for tensor in sample().train)


def chunks(images: Array, size: int = 50) -> Iterator[DigitChunk]:
    return iter([DigitChunk(images[start : start + size]) for start in range(0, len(images), size)])


def joined(parts: Iterator[DigitChunk]) -> Array:
    return np.concatenate([part.images for part in parts])


@pytest.mark.parametrize("setting", [None, "auto"])
def test_right_digits_pass_without_a_line(caplog: pytest.LogCaptureFixture, setting: str | None) -> None:
    caplog.set_level("INFO")
    images = DIGITS[:120]
    assert np.array_equal(joined(transform_digits(chunks(images), setting, predict_with_bundled)), images)
    assert caplog.text == ""


def test_inverted_digits_are_named_and_only_changed_on_request(caplog: pytest.LogCaptureFixture) -> None:
    images = DIGITS[:120]
    inverted = 255 - images
    assert np.array_equal(joined(transform_digits(chunks(inverted), None, predict_with_bundled)), inverted)
    assert "is invert needed?" in caplog.text
    assert "add input_transform=invert" in caplog.text
    assert np.array_equal(joined(transform_digits(chunks(inverted), "auto", predict_with_bundled)), images)


def test_a_given_transform_is_applied_without_a_judge() -> None:
    def fail(images: Array) -> Array:
        raise AssertionError

    images = DIGITS[:120]
    transformed = joined(transform_digits(chunks(images.transpose(0, 2, 1)), "transpose", fail))
    assert np.array_equal(transformed, images)


def test_only_the_first_chunk_is_judged() -> None:
    judged = []

    def predict(images: Array) -> Array:
        judged.append(len(images))
        return predict_with_bundled(images)

    joined(transform_digits(chunks(DIGITS[:200]), None, predict))
    assert judged == [50]


@pytest.mark.parametrize(("shift", "is_warned"), [(0, False), (1, True)])
def test_labels_of_other_images_are_noticed(caplog: pytest.LogCaptureFixture, shift: int, is_warned: bool) -> None:
    images, labels = DIGITS[:60], np.roll(LABELS[:60], shift)
    none_disagree = np.zeros(60, bool)
    predictions = Predictions(predict_with_bundled(images), none_disagree, none_disagree)
    warn_about_labels(PredictedChunk(DigitChunk(images, labels), predictions, 1.0))
    assert ("do they belong to these images?" in caplog.text) == is_warned

"""Digits in another convention than MNIST's, and labels of other images, are noticed."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from digits.data.pictures.masks import Array
from digits.data.sources import sample
from digits.prediction.chunks import DigitChunk, PredictedChunk
from digits.prediction.classifier import Predictions
from digits.prediction.input_check import transform_digits, warn_about_labels
from digits.prediction.pictures import load_judge

DIGITS = sample().train


def chunks(images: torch.Tensor, size: int = 50) -> Iterator[DigitChunk]:
    return iter([DigitChunk(part) for part in images.split(size)])


def joined(parts: Iterator[DigitChunk]) -> torch.Tensor:
    return torch.cat([part.images for part in parts])


@pytest.mark.parametrize("setting", [None, "auto"])
def test_right_digits_pass_without_a_line(caplog: pytest.LogCaptureFixture, setting: str | None) -> None:
    caplog.set_level("INFO")
    images = DIGITS.images[:120]
    assert joined(transform_digits(chunks(images), setting, load_judge().predict)).equal(images)
    assert caplog.text == ""


def test_inverted_digits_are_named_and_only_changed_on_request(caplog: pytest.LogCaptureFixture) -> None:
    images = DIGITS.images[:120]
    inverted = 255 - images
    assert joined(transform_digits(chunks(inverted), None, load_judge().predict)).equal(inverted)
    assert "is invert needed?" in caplog.text
    assert "add input_transform=invert" in caplog.text
    assert joined(transform_digits(chunks(inverted), "auto", load_judge().predict)).equal(images)


def test_a_given_transform_is_applied_without_a_judge() -> None:
    def fail(images: Array) -> Array:
        raise AssertionError

    images = DIGITS.images[:120]
    transformed = joined(transform_digits(chunks(images.transpose(1, 2)), "transpose", fail))
    assert transformed.equal(images)


def test_only_the_first_chunk_is_judged() -> None:
    judged = []
    judge = load_judge()

    def predict(images: Array) -> torch.Tensor:
        judged.append(len(images))
        return judge.predict(images)

    joined(transform_digits(chunks(DIGITS.images[:200]), None, predict))
    assert judged == [50]


@pytest.mark.parametrize(("shift", "is_warned"), [(0, False), (1, True)])
def test_labels_of_other_images_are_noticed(caplog: pytest.LogCaptureFixture, shift: int, is_warned: bool) -> None:
    images, labels = DIGITS.images[:60], DIGITS.labels[:60].roll(shift)
    probabilities = torch.from_numpy(np.asarray(load_judge().predict(images.numpy())))
    none_disagree = torch.zeros(60, dtype=torch.bool)
    predictions = Predictions(probabilities, none_disagree, none_disagree)
    warn_about_labels(PredictedChunk(DigitChunk(images, labels), predictions, 1.0))
    assert ("do they belong to these images?" in caplog.text) == is_warned

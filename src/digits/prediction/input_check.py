"""Whether the digits of a file follow MNIST's convention, and whether their labels belong to them."""

from collections.abc import Iterator
from dataclasses import replace

from digits.data.conventions import apply_transform, check_convention, check_labels
from digits.data.pictures.choose import Predict
from digits.prediction.chunks import DigitChunk, PredictedChunk


def transform_digits(chunks: Iterator[DigitChunk], setting: str | None, predict: Predict) -> Iterator[DigitChunk]:
    """The digits with the transform of `input_transform`. Without one, the first digits are judged by `predict`, and a
    line names a transform with which they are clearly more convincing. `auto` applies it."""
    transform = setting
    for index, chunk in enumerate(chunks):
        if index == 0 and setting in (None, "auto"):
            transform = check_convention(chunk.images, predict, "input_transform", is_applied=setting == "auto")
        if transform is not None:
            chunk = replace(chunk, images=apply_transform(chunk.images, transform))
        yield chunk


def warn_about_labels(chunk: PredictedChunk) -> None:
    """Logs a line if sure predictions contradict most labels."""
    labels = chunk.digits.labels
    if labels is not None:
        check_labels(chunk.predictions.probabilities, labels)

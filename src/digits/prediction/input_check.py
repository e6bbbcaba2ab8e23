"""Whether the digits of a file follow MNIST's convention, and whether their labels belong to them."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from digits.data.conventions import apply_transform, check_convention, labels_disagree
from digits.data.pictures.choose import Predict
from digits.prediction.chunks import DigitChunk, PredictedChunk

log = logging.getLogger(__name__)


def transform_digits(chunks: Iterator[DigitChunk], setting: str | None, predict: Predict) -> Iterator[DigitChunk]:
    """The digits with the transform of `input_transform`. Without one, the first digits are judged by `predict`, and a
    line names a transform with which they are clearly more convincing. `auto` applies it."""
    transform = setting
    for index, chunk in enumerate(chunks):
        images = chunk.images.numpy()
        if index == 0 and setting in (None, "auto"):
            transform = check_convention(images, predict, "input_transform", is_applied=setting == "auto")
        if transform is not None:
            chunk = replace(chunk, images=torch.from_numpy(apply_transform(images, transform)))
        yield chunk


def warn_about_labels(chunk: PredictedChunk) -> None:
    """Logs a line if sure predictions contradict most labels."""
    labels = chunk.digits.labels
    if labels is None:
        return
    probabilities = chunk.predictions.probabilities.numpy()
    if labels_disagree(probabilities, labels.numpy()):
        wrong = np.mean(probabilities.argmax(1) != labels.numpy())
        confidence = probabilities.max(1).mean()
        log.warning(
            f"{'labels':<12}do they belong to these images? The network is sure (mean confidence {confidence:.2f}) "
            f"and contradicts {wrong:.0%} of them"
        )

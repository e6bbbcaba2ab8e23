"""Whether the digits of a file follow MNIST's convention, and whether their labels belong to them."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from digits.data.conventions import Predict, apply_transform, judge, labels_disagree
from digits.prediction.chunks import DigitChunk, PredictedChunk

log = logging.getLogger(__name__)


def transform_digits(chunks: Iterator[DigitChunk], setting: str | None, predict: Predict) -> Iterator[DigitChunk]:
    """The digits with the transform of `input_transform`. Without one, the first digits are judged by `predict`, and a
    line names a transform with which they are clearly more convincing. `auto` applies it."""
    name = setting
    for index, chunk in enumerate(chunks):
        if index == 0 and setting in (None, "auto"):
            found = find_transform(chunk, predict, is_applied=setting == "auto")
            name = found if setting == "auto" else None
        if name is None:
            yield chunk
        else:
            images = apply_transform(chunk.images.numpy(), name)
            yield replace(chunk, images=torch.from_numpy(images))


def find_transform(chunk: DigitChunk, predict: Predict, *, is_applied: bool) -> str | None:
    """Judges the first digits of a file, and logs a line if they do not follow MNIST's convention."""
    verdict = judge(chunk.images.numpy(), predict)
    if verdict.transform is not None:
        gain = f"mean confidence {verdict.confidence:.2f}, with {verdict.transform} {verdict.best_confidence:.2f}"
        if is_applied:
            log.info(f"{'transform':<12}{verdict.transform} ({gain})")
        else:
            log.warning(
                f"{'transform':<12}is {verdict.transform} missing? ({gain}); input_transform={verdict.transform}"
            )
    elif not verdict.looks_like_digits:
        log.warning(f"{'input':<12}these do not look like digits (mean confidence {verdict.best_confidence:.2f})")
    return verdict.transform


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

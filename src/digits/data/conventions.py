"""Whether images follow MNIST's convention: white ink on black, upright, values from 0 to 255.

A network judges the first digits of a file as they are and in other variants. Its confidence is high only for the
right one: on 200 of MNIST's test digits the bundled network has a mean confidence of 1.00 as they are, 0.94 inverted,
0.84 rotated by 180° and 0.35 to 0.72 flipped, transposed or rotated by 90°."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from digits.data.pictures.choose import Predict

log = logging.getLogger(__name__)

Images: TypeAlias = np.ndarray[Any, Any]

JUDGED_DIGITS = 200
JUDGED_VARIANTS = 50
"""Digits with which the other variants are judged, if the images are not convincing as they are."""
CONVINCING = 0.97
"""The mean confidence above which images are taken as they are. The lowest of 50 groups of 200 of MNIST's test digits
is 0.988."""
CLEARLY_BETTER = 0.04
"""Of the mean confidence of another variant. Among 500 groups of ten bundled digits, the largest gain is 0.022."""
NEARLY_EQUAL = 0.01
"""Of two variants the simpler one is preferred, if its mean confidence is lower by less than this."""
FEW_DIGITS = 10
"""Fewer digits are judged only by a low confidence: one of them alone can look like another digit upside down."""
CONVINCING_OF_FEW = 0.6
UNCONVINCING = 0.7
"""The mean confidence of the best variant below which images do not look like digits."""
MIN_LABELED = 20


def invert(images: Images) -> Images:
    return 255 - images


def transpose(images: Images) -> Images:
    return images.transpose(0, 2, 1)


def flip_horizontally(images: Images) -> Images:
    return images[:, :, ::-1]


def flip_vertically(images: Images) -> Images:
    return images[:, ::-1]


def rotate_180(images: Images) -> Images:
    return images[:, ::-1, ::-1]


def rotate_left(images: Images) -> Images:
    return np.rot90(images, 1, (1, 2))


def rotate_right(images: Images) -> Images:
    return np.rot90(images, 3, (1, 2))


def remove_background(images: Images) -> Images:
    """White ink on black from ink on gray paper: the median of each image's border becomes black, its ink white."""
    values = images.astype(np.float32)
    border = np.concatenate([values[:, 0], values[:, -1], values[:, 1:-1, 0], values[:, 1:-1, -1]], axis=1)
    paper = np.median(border, axis=1)[:, None, None]
    is_bright = paper > 127
    values = np.where(is_bright, 255 - values, values)
    paper = np.where(is_bright, 255 - paper, paper)
    ink = (values - paper - 0.1 * (255 - paper)).clip(min=0)
    strongest = ink.max(axis=(1, 2), keepdims=True)
    whitened: Images = (ink * 255 / np.maximum(strongest, 1)).round().astype(np.uint8)
    return whitened


def center(images: Images) -> Images:
    """Digits of any size anywhere in the image, scaled into 20×20 with their center of mass in the center."""
    from digits.data.pictures.mnist_format import fit_and_center  # imported late: right digits need no SciPy

    centered = [fit_and_center(image.astype(np.float32) / 255) for image in images]
    return np.stack(centered)


TRANSFORMS: Mapping[str, Callable[[Images], Images]] = {
    "invert": invert,
    "transpose": transpose,
    "flip_horizontally": flip_horizontally,
    "flip_vertically": flip_vertically,
    "rotate_180": rotate_180,
    "rotate_left": rotate_left,
    "rotate_right": rotate_right,
    "remove_background": remove_background,
    "center": center,
}
"""Of images uint8 [N, 28, 28], which bring them to MNIST's convention; the simplest first."""


@dataclass(frozen=True)
class Verdict:
    """What a network finds about the convention of some images."""

    transform: str | None
    """a key of `TRANSFORMS` with which the images are clearly more convincing"""
    confidence: float
    """its mean as they are"""
    best_confidence: float
    """its mean with the transform, or as they are"""

    @property
    def looks_like_digits(self) -> bool:
        return self.best_confidence >= UNCONVINCING


def judge(images: Images, predict: Predict) -> Verdict:
    """Judges the first images uint8 [N, 28, 28] of a file. Images that are convincing as they are cost one prediction
    of at most `JUDGED_DIGITS` digits."""
    images = images[:JUDGED_DIGITS]
    confidence = _mean_confidence(images, predict)
    convincing = CONVINCING if len(images) >= FEW_DIGITS else CONVINCING_OF_FEW
    if confidence >= convincing:
        return Verdict(None, confidence, confidence)
    images = images[:JUDGED_VARIANTS]
    as_is = _mean_confidence(images, predict)
    best, best_confidence = None, as_is
    for name, transform in TRANSFORMS.items():
        transformed = np.ascontiguousarray(transform(images))
        with_transform = _mean_confidence(transformed, predict)
        if with_transform > best_confidence + NEARLY_EQUAL:
            best, best_confidence = name, with_transform
    is_convincing = best_confidence >= convincing - CLEARLY_BETTER and best_confidence >= as_is + CLEARLY_BETTER
    return Verdict(best if is_convincing else None, confidence, best_confidence)


def check_convention(images: Images, predict: Predict, setting: str, *, is_applied: bool) -> str | None:
    """Judges the first images of a file, and logs a line if they do not follow MNIST's convention. With `is_applied`,
    returns the transform that was found. Without it, returns None, and the line names the `setting` to change."""
    verdict = judge(images, predict)
    if verdict.transform is None:
        if not verdict.looks_like_digits:
            log.warning(f"{'input':<12}these do not look like digits (mean confidence {verdict.best_confidence:.2f})")
        return None
    gain = f"mean confidence {verdict.confidence:.2f}, with it {verdict.best_confidence:.2f}"
    if is_applied:
        log.info(f"{'transform':<12}{verdict.transform}: {gain}")
        return verdict.transform
    log.warning(f"{'transform':<12}is {verdict.transform} needed? ({gain}); add {setting}={verdict.transform}, or auto")
    return None


def apply_transform(images: Images, name: str | None) -> Images:
    """The images with a transform of `TRANSFORMS`, or as they are."""
    if name is None:
        return images
    return np.ascontiguousarray(TRANSFORMS[name](images))


def check_labels(probabilities: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> None:
    """Logs a line if sure predictions [N, 10] contradict most labels [N]."""
    if labels_disagree(probabilities, labels):
        confidence = probabilities.max(1).mean()
        wrong = np.mean(probabilities.argmax(1) != labels)
        log.warning(
            f"{'labels':<12}do they belong to these images? The network is sure (mean confidence {confidence:.2f}) "
            f"and contradicts {wrong:.0%} of them"
        )


def labels_disagree(probabilities: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> bool:
    """Whether a sure network contradicts most labels."""
    if len(labels) < MIN_LABELED:
        return False
    confidence = probabilities.max(1).mean()
    wrong = (probabilities.argmax(1) != labels).mean()
    return bool(confidence > CONVINCING and wrong > 0.5)


def _mean_confidence(images: Images, predict: Predict) -> float:
    return float(predict(images).max(1).mean())

"""The digits of pictures: one of each, chosen among the hypotheses about the picture, or all of them."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from digits.data.pictures.choose import Predict, choose
from digits.errors import InputError
from digits.prediction.chunks import DigitChunk, DigitPlace, DigitSource, Picture, PictureChunk

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
NOTHING_FOUND = "nothing like a digit found"


def choose_digits(chunk: PictureChunk, predict: Predict, *, several: bool = False) -> DigitChunk:
    """The digits of pictures, whose hypotheses `predict` judges, with an error for each picture without a digit. With
    `several`, a picture of several digits gives the digit with the most ink. Without it, the picture is refused."""
    readable = [picture for picture in chunk.pictures if isinstance(picture, Picture)]
    chosen = choose([picture.decoded.hypotheses for picture in readable], predict)
    remaining = iter(chosen)  # not by name: two files of an archive may have the same
    images, labels, sources, errors = [], [], [], []
    for picture in chunk.pictures:
        if isinstance(picture, InputError):
            errors.append(str(picture))
            continue
        hypothesis = next(remaining)
        if hypothesis is None:
            errors.append(f"{picture.file}: {NOTHING_FOUND}")
        elif len(hypothesis.digits) > 1 and not several:
            count = len(hypothesis.digits)
            errors.append(f"{picture.file}: seems to hold {count} digits; cut one out, or add several=all")
        else:
            images.append(hypothesis.digits[0])
            labels.append(picture.label)
            sources.append(DigitSource(picture.file, hypothesis.description, picture.decoded.thumbnail))
    return _as_chunk(images, labels, sources, errors, chunk.progress)


def read_all_digits(chunk: PictureChunk, predict: Predict) -> DigitChunk:
    """All digits of pictures, which were read with `sheets`, in the order of reading, with an error for each picture
    without a digit. `predict` judges where the digits are."""
    from digits.data.pictures.all_digits import find_all_digits  # imported late: digits of a file need no SciPy

    images, labels, sources, errors = [], [], [], []
    for picture in chunk.pictures:
        if isinstance(picture, InputError):
            errors.append(str(picture))
            continue
        found = find_all_digits(picture.decoded, predict)
        if not found:
            errors.append(f"{picture.file}: {NOTHING_FOUND}")
        for index, digit in enumerate(found, start=1):
            place = DigitPlace(index, digit.line, digit.box, picture.decoded.size)
            images.append(digit.image)
            labels.append(picture.label)
            sources.append(DigitSource(picture.file, digit.description, picture.decoded.thumbnail, place))
    return _as_chunk(images, labels, sources, errors, chunk.progress)


def _as_chunk(
    images: Sequence[Array],
    labels: Sequence[int | None],
    sources: Sequence[DigitSource],
    errors: Sequence[str],
    progress: float,
) -> DigitChunk:
    """The digits of pictures. They are labeled if all pictures are."""
    stacked = np.array(images, np.uint8).reshape(-1, 28, 28)
    known = [label for label in labels if label is not None]
    stacked_labels = np.array(known, np.int64) if labels and len(known) == len(labels) else None
    return DigitChunk(stacked, stacked_labels, progress, sources, errors)

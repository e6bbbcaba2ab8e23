"""The digits of pictures, chosen among the hypotheses about each picture."""

import numpy as np

from digits.data.pictures.choose import Predict, choose
from digits.errors import InputError
from digits.prediction.chunks import DigitChunk, DigitSource, Picture, PictureChunk


def choose_digits(chunk: PictureChunk, predict: Predict, *, several: bool = False) -> DigitChunk:
    """The digits of pictures, whose hypotheses `predict` judges, with an error for each picture without a digit. With
    `several`, a picture of several digits gives the digit with the most ink. Without it, the picture is refused."""
    readable = [picture for picture in chunk.pictures if isinstance(picture, Picture)]
    chosen = choose([picture.hypotheses for picture in readable], predict)
    remaining = iter(chosen)  # not by name: two files of an archive may have the same
    images, labels, sources, errors = [], [], [], []
    for picture in chunk.pictures:
        if isinstance(picture, InputError):
            errors.append(str(picture))
            continue
        hypothesis = next(remaining)
        if hypothesis is None:
            errors.append(f"{picture.file}: nothing like a digit found")
        elif len(hypothesis.digits) > 1 and not several:
            count = len(hypothesis.digits)
            errors.append(f"{picture.file}: seems to hold {count} digits; cut one out, or add several=true")
        else:
            images.append(hypothesis.digits[0])
            labels.append(picture.label)
            sources.append(DigitSource(picture.file, hypothesis.description, picture.thumbnail))
    stacked = np.array(images, np.uint8).reshape(-1, 28, 28)
    known = [label for label in labels if label is not None]
    stacked_labels = np.array(known, np.int64) if labels and len(known) == len(labels) else None
    return DigitChunk(stacked, stacked_labels, chunk.progress, sources, errors)

"""Chunks of an input: pictures, digits, and digits with their predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from digits.errors import InputError
from digits.prediction.classifier import Predictions

if TYPE_CHECKING:
    from digits.data.pictures.decode import DecodedPicture


@dataclass(frozen=True)
class Picture:
    """A picture file."""

    file: str
    decoded: "DecodedPicture"
    label: int | None = None
    """the name of its folder, if the folders are named after digits"""


@dataclass(frozen=True)
class PictureChunk:
    """Pictures in the order of the input. An error takes the place of a picture that cannot be read."""

    pictures: Sequence[Picture | InputError]
    progress: float
    """the fraction of the input that is read when the chunk is read"""


@dataclass(frozen=True)
class DigitPlace:
    """The place of a digit in a picture of several."""

    index: int
    """in the order of reading, from 1"""
    line: int
    """from 1"""
    box: tuple[int, int, int, int]
    """left, top, right and bottom in pixels of the upright picture"""
    size: tuple[int, int]
    """width and height of the upright picture"""


@dataclass(frozen=True)
class DigitSource:
    """The picture file of a digit, and how the digit was found in it."""

    file: str
    description: str
    thumbnail: NDArray[np.uint8] | None
    """uint8 [h, w, 3], for a preview"""
    place: DigitPlace | None = None
    """if all digits of a picture are read"""


@dataclass(frozen=True)
class DigitChunk:
    """N digits in the order of the input."""

    images: NDArray[np.uint8]
    """[N, 28, 28]"""
    labels: NDArray[np.int64] | None = None
    """[N], if the input has labels"""
    progress: float | None = None
    """the fraction of the input that is read when the chunk is read; None if its size is unknown"""
    sources: Sequence[DigitSource] = ()
    """N sources, if the input is pictures"""
    errors: Sequence[str] = ()
    """one line for each picture without a digit; it is not among the N"""


@dataclass(frozen=True)
class PredictedChunk:
    digits: DigitChunk
    predictions: Predictions
    seconds: float
    """in the networks"""

"""Chunks of an input: pictures, digits, and digits with their predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from digits.errors import InputError
from digits.prediction.classifier import Predictions

if TYPE_CHECKING:
    from digits.data.pictures.normalize import Hypothesis


@dataclass(frozen=True)
class Picture:
    """A picture file with the hypotheses about its digit, the simplest first."""

    file: str
    hypotheses: Sequence["Hypothesis"]
    thumbnail: NDArray[np.uint8] | None
    """[h, w, 3], for a preview"""
    label: int | None = None
    """the name of its folder, if the folders are named after digits"""


@dataclass(frozen=True)
class PictureChunk:
    """Pictures in the order of the input. An error takes the place of a picture that cannot be read."""

    pictures: Sequence[Picture | InputError]
    progress: float
    """the fraction of the input that is read when the chunk is read"""


@dataclass(frozen=True)
class DigitSource:
    """The picture file of a digit, and how the digit was found in it."""

    file: str
    description: str
    thumbnail: NDArray[np.uint8] | None


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

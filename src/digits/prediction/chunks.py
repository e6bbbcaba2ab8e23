"""A chunk of digits: first read, then predicted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from digits.prediction.classifier import Predictions


class ReadChunk(NamedTuple):
    """N digits in the order of the input."""

    images: Tensor  # uint8 [N, 28, 28]
    labels: Tensor | None = None  # int64 [N], if the input has labels
    files: Sequence[str] = ()  # the names of N pictures
    thumbnails: Sequence[np.ndarray[Any, Any]] = ()  # of N pictures, uint8 [h, w, 3]
    hypotheses: Sequence[str] = ()  # how the digits of N pictures were found
    errors: Sequence[str] = ()  # one line for each picture that could not be read; it is not among the N


class PredictedChunk(NamedTuple):
    digits: ReadChunk  # with images and thumbnails only for a preview
    predictions: Predictions
    seconds: float  # in the networks

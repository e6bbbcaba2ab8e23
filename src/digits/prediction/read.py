"""`digits.read`: the digit of one picture, from Python."""

from dataclasses import dataclass
from io import TextIOBase
from os import PathLike, fspath
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.pictures.choose import Predict, choose
from digits.data.pictures.decode import decode_picture, describe_error, read_picture
from digits.data.pictures.normalize import Hypothesis, hypotheses
from digits.errors import InputError
from digits.runs.onnx_model import predict_with_bundled

Picture: TypeAlias = str | PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any]
"""A path, the content of a file, an open file, a picture of Pillow, or an array [H, W], [H, W, 1], [H, W, 3] (RGB) or
[H, W, 4] (RGBA). An array of two dimensions may have any range of values."""


@dataclass(frozen=True)
class Reading:
    """The digit of a picture."""

    label: int
    confidence: float
    """the probability of the label"""
    probabilities: NDArray[np.float32]
    """[10]"""
    image: NDArray[np.uint8]
    """[28, 28], the image that the network sees"""
    description: str
    """how the digit was found in the picture"""


def read(picture: Picture) -> Reading:
    """Reads the digit of a picture with the network of this package.

    Raises InputError for a picture that cannot be decoded, is blank, or shows no digit or several."""
    return read_digit(picture, predict_with_bundled)


def read_digit(picture: Picture, predict: Predict) -> Reading:
    """As `read`. `predict` is the method of another classifier."""
    found, name = _find_digits(picture)
    [hypothesis] = choose([found], predict_with_bundled)
    if hypothesis is None:
        raise InputError(f"{name}: nothing like a digit found")
    if len(hypothesis.digits) > 1:
        raise InputError(f"{name}: seems to hold {len(hypothesis.digits)} digits; cut one out")
    [probabilities] = predict(hypothesis.digits)
    label = int(probabilities.argmax())
    [image] = hypothesis.digits
    return Reading(label, float(probabilities[label]), probabilities, image, hypothesis.description)


def _find_digits(picture: Picture) -> tuple[list[Hypothesis], str]:
    """The hypotheses about the digit, and the name of the picture in messages."""
    if isinstance(picture, str | PathLike):
        name = fspath(picture)
        return read_picture(name)[1], name
    name = "the picture"
    try:
        if isinstance(picture, Image.Image):
            return hypotheses(picture), name
        if isinstance(picture, np.ndarray):
            return hypotheses(_to_picture(picture)), name
        if isinstance(picture, bytes):
            return decode_picture(picture)[1], name
        if isinstance(picture, TextIOBase):
            raise InputError("a file in text mode; open it with the mode 'rb'")
        if hasattr(picture, "read"):  # an open file, also one that is no IOBase, as those of tempfile
            return decode_picture(picture.read())[1], name
    except Exception as error:  # damaged files raise almost any error in Pillow's decoders
        raise InputError(f"{name}: {describe_error(error)}") from None
    kind = type(picture).__name__
    raise InputError(
        f"{name}: an object of type {kind}; a path, bytes, an open file, a picture of Pillow or an array is expected"
    )


def _to_picture(array: NDArray[Any]) -> Image.Image:
    """Raises InputError for an array that is no picture."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    is_gray = array.ndim == 2 and array.dtype.kind in "buif"
    is_color = array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8
    if array.size == 0 or not (is_gray or is_color):
        raise InputError(
            f"an array {array.dtype} {list(array.shape)}; numbers [H, W] are expected, or uint8 [H, W, 3] or [H, W, 4]"
        )
    if is_gray and (array.dtype != np.uint8 or array.max() <= 1):
        array = array.astype(np.float32)  # a picture of mode F, whose range is stretched
    return Image.fromarray(np.ascontiguousarray(array))

"""`digits.read` and `digits.read_all`: the digit or all digits of one picture, from Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOBase
from os import PathLike, fspath
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.pictures.all_digits import FoundDigit, box_in_pixels, find_all_digits
from digits.data.pictures.choose import Predict, choose
from digits.data.pictures.decode import (
    DecodedPicture,
    decode_picture,
    describe_error,
    find_digits,
    read_picture,
)
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
    box: tuple[int, int, int, int]
    """left, top, right and bottom of the digit in pixels of the upright picture"""
    line: int = 1
    """of a picture of several digits, from 1"""


def read(picture: Picture) -> Reading:
    """Reads the digit of a picture with the network of this package.

    Raises InputError for a picture that cannot be decoded, is blank, or shows no digit or several."""
    return read_digit(picture, predict_with_bundled)


def read_digit(picture: Picture, predict: Predict) -> Reading:
    """As `read`. `predict` is the method of another classifier."""
    decoded, name = _decode(picture)
    [hypothesis] = choose([decoded.hypotheses], predict_with_bundled)
    if hypothesis is None:
        raise InputError(f"{name}: nothing like a digit found")
    if len(hypothesis.digits) > 1:
        raise InputError(f"{name}: seems to hold {len(hypothesis.digits)} digits; cut one out")
    [image] = hypothesis.digits
    found = FoundDigit(image, box_in_pixels(hypothesis.box, decoded.size), 1, hypothesis.description)
    [reading] = _predict([found], predict)
    return reading


def read_all(picture: Picture) -> list[Reading]:
    """Reads all digits of a picture, line by line from left to right, with the network of this package.

    Raises InputError for a picture that cannot be decoded, or shows no digit."""
    decoded, name = _decode(picture, sheet=True)
    found = find_all_digits(decoded, predict_with_bundled)
    if not found:
        raise InputError(f"{name}: nothing like a digit found")
    return _predict(found, predict_with_bundled)


def _predict(found: Sequence[FoundDigit], predict: Predict) -> list[Reading]:
    probabilities = predict(np.stack([digit.image for digit in found]))
    readings = []
    for digit, values in zip(found, probabilities, strict=True):
        label = int(values.argmax())
        confidence = float(values[label])
        readings.append(Reading(label, confidence, values, digit.image, digit.description, digit.box, digit.line))
    return readings


def _decode(picture: Picture, *, sheet: bool = False) -> tuple[DecodedPicture, str]:
    """The decoded picture, and its name in messages. With `sheet` it may show many digits."""
    if isinstance(picture, str | PathLike):
        name = fspath(picture)
        return read_picture(name, sheet=sheet), name
    name = "the picture"
    try:
        if isinstance(picture, Image.Image):
            return find_digits(picture, sheet=sheet), name
        if isinstance(picture, np.ndarray):
            return find_digits(_to_picture(picture), sheet=sheet), name
        if isinstance(picture, bytes):
            return decode_picture(picture, sheet=sheet), name
        if isinstance(picture, TextIOBase):
            raise InputError("a file in text mode; open it with the mode 'rb'")
        if hasattr(picture, "read"):  # an open file, also one that is no IOBase, as those of tempfile
            return decode_picture(picture.read(), sheet=sheet), name
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

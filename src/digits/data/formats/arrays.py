"""Numeric arrays as people save them: their shapes, their ranges of values, and their labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, TypeAlias

import numpy as np

from digits.errors import InputError

Array: TypeAlias = np.ndarray[Any, Any]

SIDES = (8, 16, 20, 28, 32)
"""Sides of images that are read, in pixels: optdigits, USPS and semeion, A. Ng's course, MNIST, padded MNIST."""
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081
"""With which PyTorch's MNIST example normalizes pixels in [0, 1]."""
MIN_IMAGES_OF_RANGE = 20
"""A few faint images could have 16 or 100 as their highest value by chance."""

CONVERTED_ROWS = 32
"""At a time: temporary arrays that stay in the CPU's cache are twice as fast."""
MIN_USUAL_VALUES = 1000
"""For each stray value. Among the pixels of MNIST that are not 0, one of 290 is 1."""


@dataclass(frozen=True)
class Layout:
    """How the images lie in an array: their side in pixels, and the axis along which they are counted."""

    side: int
    axis: int | None
    """None for a single image"""

    def images(self, array: Array) -> Array:
        """An array of this layout, or a part of it along the axis, as [N, side, side]."""
        if self.axis not in (None, 0):
            array = np.moveaxis(array, self.axis, 0)
        return array.reshape(-1, self.side, self.side)


def find_layout(shape: Sequence[int], where: str) -> Layout:
    """The layout of an array of images: [N, 28, 28], [N, 784], [N, 28, 28, 1], [N, 1, 28, 28], [28, 28] or [784], and
    as MATLAB saves them, [784, N], [28, 28, N] and [28, 28, 1, N]. Sides other than 28 are those of `SIDES`.

    Raises InputError, which begins with `where`, for other shapes."""
    shape = tuple(shape)
    if 0 in shape:
        raise InputError(f"{where}: an array {list(shape)} holds no images")
    is_color = len(shape) == 4 and (shape[3] in (3, 4) or shape[1] in (3, 4))
    is_one_color_image = len(shape) == 3 and shape[0] == shape[1] in SIDES and shape[2] in (3, 4)
    if is_color or is_one_color_image:
        raise InputError(f"{where}: color images {list(shape)}; save their gray values, [N, 28, 28]")
    without_channel = _drop_channel(shape)
    for side in SIDES:
        flat = side * side
        if without_channel in ((side, side), (flat,)):
            return Layout(side, None)
        if without_channel[1:] in ((side, side), (flat,)):
            return Layout(side, 0)
    for side in SIDES:
        if without_channel[:-1] in ((side, side), (side, side, 1), (side * side,)):
            return Layout(side, len(shape) - 1)
    raise InputError(
        f"{where}: an array {list(shape)}{_describe_side(shape)}; images [N, 28, 28] or [N, 784] are expected"
    )


def is_table(shape: Sequence[int]) -> bool:
    """Whether each row of an array is a label and the pixels of an image, as [N, 785]."""
    return len(shape) == 2 and shape[1] - 1 in [side * side for side in SIDES] and shape[0] != 784


def find_label_end(firsts: Array, lasts: Array) -> str | None:
    """Whether the `first` or the `last` value of each row of a table is its label. The other one is a pixel in a
    corner, mostly black. None if both are always 0."""
    digits = range(10)
    if not np.isin(firsts, digits).all():
        return "last"
    if not np.isin(lasts, digits).all():
        return "first"
    first_count, last_count = len(np.unique(firsts)), len(np.unique(lasts))
    if first_count != last_count:
        return "first" if first_count > last_count else "last"
    if firsts.any():
        return "first"
    return "last" if lasts.any() else None


def _drop_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """[N, 28, 28] for [N, 28, 28, 1] and [N, 1, 28, 28]."""
    if len(shape) == 4 and shape[3] == 1:
        return shape[:3]
    if len(shape) == 4 and shape[1] == 1:
        return (shape[0], *shape[2:])
    return shape


def _describe_side(shape: tuple[int, ...]) -> str:
    """What the images of an unexpected shape seem to be."""
    if len(shape) == 1 or (len(shape) == 2 and shape[1] in (1, 10)):
        return " seems to hold labels"
    if len(shape) == 3 and shape[1] == shape[2]:
        return f" holds images of {shape[1]}×{shape[1]}"
    if len(shape) == 2 and isqrt(shape[1]) ** 2 == shape[1] and shape[1] > 16:
        side = isqrt(shape[1])
        return f" seems to hold images of {side}×{side}"
    return ""


@dataclass(frozen=True)
class ValueRange:
    """The values of black and white in a file."""

    black: float
    white: float

    def to_uint8(self, values: Array) -> Array | None:
        """Values [N, …] of any number type as uint8 of the same shape. None if one is outside of the range."""
        if self == FULL_RANGE and values.dtype == np.uint8:
            return values
        converted = np.empty(values.shape, np.uint8)
        for start in range(0, len(values), CONVERTED_ROWS):
            rows = slice(start, start + CONVERTED_ROWS)
            with np.errstate(over="ignore"):  # infinite values are outside
                scaled = (values[rows].astype(np.float32) - np.float32(self.black)) * np.float32(255 / self.span)
            is_inside = (scaled > -1) & (scaled < 256)  # not what is not a number
            if not is_inside.all():
                return None
            converted[rows] = np.rint(scaled, out=scaled).clip(0, 255, out=scaled)
        return converted

    @property
    def span(self) -> float:
        return self.white - self.black

    def find_outside(self, values: Array) -> tuple[int, ...]:
        """The index of the first value outside of the range, where there is one."""
        tolerance = self.span / 255
        is_inside = (values > self.black - tolerance) & (values < self.white + tolerance)
        return _first_index(~is_inside)  # also what is not a number

    def describe(self) -> str:
        return f"from {self.black:g} to {self.white:g}"


FULL_RANGE = ValueRange(0, 255)


def find_range(values: Array, count: int, where: str) -> ValueRange:
    """The range of values of the first `count` images of a file.

    Raises InputError, which begins with `where`, for values that are no numbers, and for ranges of no known meaning."""
    if values.dtype.kind not in "biuf":
        raise InputError(f"{where}: values of the type {values.dtype}; numbers are expected")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{where}: holds a value that is not a number, or is infinite")
    lowest, highest = float(values.min()), float(values.max())
    if highest > 1:
        _require_no_stray_value(values, where)
    if lowest >= 0:
        return _find_positive_range(highest, count, where)
    if lowest >= -1 and highest <= 1:
        return ValueRange(-1, 1)
    black, white = (0 - MNIST_MEAN) / MNIST_STD, (1 - MNIST_MEAN) / MNIST_STD
    if abs(lowest - black) < 0.01 and highest < white + 0.01:
        return ValueRange(black, white)
    raise InputError(f"{where}: values from {lowest:g} to {highest:g}; save them from 0 to 255, or from 0 to 1")


def _require_no_stray_value(values: Array, where: str) -> None:
    stray = find_stray_value(values)
    if stray is not None:
        raise InputError(
            f"{where}: holds the value {values[stray]:g} at {list(stray)}, but nearly all others are from 0 to 1; "
            "correct it"
        )


def find_stray_value(values: Array) -> tuple[int, ...] | None:
    """The index of the first value above 1 if nearly all others are from 0 to 1, but not all 0. None if there is none,
    or if there are many."""
    is_above = values > 1
    above = np.count_nonzero(is_above)
    if above == 0 or np.count_nonzero(values) < MIN_USUAL_VALUES * above:
        return None
    return _first_index(is_above)


def _first_index(is_found: Array) -> tuple[int, ...]:
    """The index of the first True."""
    return tuple(int(index) for index in np.unravel_index(is_found.argmax(), is_found.shape))


def _find_positive_range(highest: float, count: int, where: str) -> ValueRange:
    if highest <= 1:
        return ValueRange(0, 1)
    has_many = count >= MIN_IMAGES_OF_RANGE
    if highest in (15, 16) and has_many:  # scikit-learn's digits and optdigits have 16
        return ValueRange(0, 16)
    if highest == 100 and has_many:
        return ValueRange(0, 100)
    if highest <= 255:
        return FULL_RANGE
    if 2**15 <= highest < 2**16:
        return ValueRange(0, 2**16 - 1)
    raise InputError(f"{where}: values up to {highest:g}; save them from 0 to 255, or from 0 to 1")


def read_labels(array: Array, count: int, where: str) -> Array:
    """The labels of `count` images, int64 [N]: numbers [N], [N, 1] or [1, N], or one-hot [N, 10] or [10, N]. Labels
    from 1 to 10 have 10 for 0, as in A. Ng's course.

    Raises InputError, which begins with `where`, for other shapes, other counts, and labels that are no digits."""
    array = np.asarray(array)
    if array.dtype.kind in "OSU":
        array = _from_texts(array)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{where}: labels of the type {array.dtype}; digits from 0 to 9 are expected")
    labels = array.squeeze() if array.size == count else array
    if labels.ndim == 0:
        labels = labels[None]
    if labels.ndim == 2 and count != 10 and labels.shape == (10, count):
        labels = labels.T
    if labels.shape == (count, 10):
        labels = _from_one_hot(labels, where)
    if labels.shape != (count,):
        raise InputError(f"{where}: labels {list(array.shape)} for {count:,} images")
    return _to_digits(labels, where)


def _to_digits(labels: Array, where: str) -> Array:
    """Numbers [N] as labels int64 [N]; 10 is 0 where no label is 0."""
    if not np.isfinite(labels).all():
        raise InputError(f"{where}: a label is missing or infinite; digits from 0 to 9 are expected")
    with np.errstate(invalid="ignore"):  # numbers above those of int64 are refused below
        whole = labels.astype(np.int64)
    if (whole != labels).any():
        raise InputError(f"{where}: the label {labels[whole != labels][0]:g} is not a digit from 0 to 9")
    if whole.min() >= 1 and whole.max() == 10:
        whole = whole % 10
    is_digit = (whole >= 0) & (whole <= 9)
    if not is_digit.all():
        raise InputError(f"{where}: the label {whole[~is_digit][0]} is not a digit from 0 to 9")
    return whole


def _from_texts(labels: Array) -> Array:
    """Labels "0" … "9", as OpenML has them, as numbers. Other values stay as they are."""
    try:
        texts = labels.astype(str)
    except ValueError:  # bytes that are no text, or lists
        return labels
    if not np.isin(texts, list("0123456789")).all():
        return labels
    return texts.astype(np.int64)


def _from_one_hot(labels: Array, where: str) -> Array:
    """The position of the only 1 in each row."""
    is_one_hot = ((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all()
    if not is_one_hot:
        raise InputError(f"{where}: each row of one-hot labels needs one 1 and nine 0")
    positions: Array = labels.argmax(1)
    return positions

"""Measures of masks: bounding boxes, borders, and the width of strokes; extremes of windows."""

from typing import Any, TypeAlias

import numpy as np
from scipy import ndimage

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Box: TypeAlias = tuple[slice, slice]
RelativeBox: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom in [0, 1], relative to the width and height of a picture."""
WHOLE_PICTURE: RelativeBox = (0.0, 0.0, 1.0, 1.0)


def bounding_box(mask: Array) -> Box:
    """The rows and columns of a mask bool [H, W] that is not empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def relative_box(box: Box, shape: tuple[int, ...]) -> RelativeBox:
    """A box relative to the array [H, W] of this shape."""
    rows, columns = box
    height, width = shape
    return columns.start / width, rows.start / height, columns.stop / width, rows.stop / height


def longer_side(box: Box) -> int:
    """The larger of height and width in pixels."""
    return max(int(side.stop - side.start) for side in box)


def borders(values: Array) -> list[Array]:
    """The first and last row, the first and last column."""
    return [values[0], values[-1], values[:, 0], values[:, -1]]


def running_extreme(values: Array, size: int, extreme: np.ufunc) -> Array:
    """The maximum (`np.maximum`) or minimum (`np.minimum`) of `size` consecutive rows, [H - size + 1, W]. Windows of
    1, 2, 4, … rows are joined, so the time grows with the logarithm of the size."""
    rows = len(values) - size + 1
    width = 1
    while 2 * width <= size:
        values = extreme(values[:-width], values[width:])
        width *= 2
    result: Array = extreme(values[:rows], values[size - width :][:rows])  # two windows that overlap
    return result


def stroke_width(mask: Array) -> float:
    """The median width in pixels along the strokes bool [H, W]."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))
    is_center_line = (depth == ndimage.maximum_filter(depth, 3)) & (depth > 0)
    return float(2 * np.median(depth[is_center_line]) - 0.5)

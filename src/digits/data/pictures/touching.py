"""Cuts between digits that touch."""

from collections.abc import Iterator

import numpy as np

from digits.data.pictures.masks import Array, bounding_box
from digits.data.pictures.shapes import Shape

CENTERS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # of the width: where one cut may lie
SLANTS = (0.0, 0.3)  # of a cut: columns to the right for each row upwards
THIRDS = (1 / 3, 2 / 3)
MIN_WIDTH_OF_THREE = 1.3  # of three digits, relative to their height
REACH = 0.15  # of the width: how far a cut may wander from its center
OFF_CENTER_COST, FAR_COST = 0.3, 10.0  # of a pixel at the end of this reach, and beyond; an inked pixel costs 1
MIN_PART = 0.1  # of the pixels: smaller parts are no digits


def cuts(shape: Shape) -> Iterator[list[Shape]]:
    """The parts of a shape by one cut from top to bottom in several places, and by two cuts. Each cut crosses as little
    ink as possible."""
    for slant in SLANTS:
        for center in CENTERS:
            yield from _cut(shape, [center], slant)
        if shape.width > MIN_WIDTH_OF_THREE * shape.height:
            yield from _cut(shape, list(THIRDS), slant)


def _cut(shape: Shape, centers: list[float], slant: float) -> Iterator[list[Shape]]:
    """The parts, if they are large enough."""
    columns = np.arange(shape.width)
    side_of_cut = np.zeros(shape.mask.shape, int)
    for center in centers:
        seam = _seam(shape.mask, center, slant)
        side_of_cut += columns >= seam[:, None]
    parts = [shape.mask & (side_of_cut == part) for part in range(len(centers) + 1)]
    if min(part.sum() for part in parts) >= MIN_PART * shape.mask.sum():
        yield [_part(shape, mask) for mask in parts]


def _part(shape: Shape, mask: Array) -> Shape:
    """The part of a shape with this mask."""
    rows, columns = bounding_box(mask)
    top, left = shape.box[0].start, shape.box[1].start
    box = slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)
    return Shape(box, mask[rows, columns])


def _seam(mask: Array, center: float, slant: float) -> Array:
    """The column of a cut in each row, int [h]: the cheapest path, which moves by at most one column a row."""
    height, width = mask.shape
    reach = max(2.0, REACH * width)
    rows, columns = np.mgrid[:height, :width]
    distances = np.abs(columns - center * width + slant * (rows - height / 2)) / reach
    totals = mask + np.where(distances > 1, FAR_COST, OFF_CENTER_COST) * distances
    for row in range(1, height):
        above = np.pad(totals[row - 1], 1, constant_values=np.inf)
        totals[row] += np.minimum(np.minimum(above[:-2], above[1:-1]), above[2:])
    path = [int(totals[-1].argmin())]
    for row in range(height - 2, -1, -1):
        start = max(path[-1] - 1, 0)
        path.append(start + int(totals[row, start : path[-1] + 2].argmin()))
    return np.array(path[::-1])

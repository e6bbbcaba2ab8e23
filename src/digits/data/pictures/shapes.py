"""Shapes on a sheet: connected ink that may be a digit. Specks are removed, and the parts of one digit are joined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from digits.data.pictures.components import enclosing_box, label_components
from digits.data.pictures.masks import Array, Box, longer_side

MAX_SHAPES = 2000  # those with the most ink, to bound the work for a page of text
SPECK_SIZE = 0.3  # maximum longer side of a speck, relative to the typical size
PART_SIZE = 0.7  # maximum height of a part that is joined to a digit
COLUMN_GAP, ROW_GAP = 0.1, 0.2  # maximum distances of a part to its digit
JOINED_SIZE = 1.4  # maximum height and width of a digit with its parts
COUNTED_PART = 0.45  # minimum longer side of a part that may be a digit of its own


@dataclass(frozen=True, eq=False)
class Shape:
    """Inked pixels of a sheet."""

    box: Box
    mask: Array
    """bool [h, w] in its box"""
    parts: "Sequence[Shape]" = ()
    """what it is joined of, if two or more of its parts are as large as a digit"""

    @property
    def height(self) -> int:
        return int(self.box[0].stop - self.box[0].start)

    @property
    def width(self) -> int:
        return int(self.box[1].stop - self.box[1].start)


def find_shapes(mask: Array, ink: Array) -> list[Shape]:
    """The shapes of a mask bool [H, W]. `ink` float32 [H, W] is the weight of each pixel."""
    components = _find_components(mask, ink)
    if not components:
        return []
    size = typical_size(components)
    hosts = _find_hosts(components, size)
    groups: dict[int, list[Shape]] = {}
    for index, component in enumerate(components):
        host = hosts[index]
        is_speck = longer_side(component.box) < SPECK_SIZE * size
        if host == index and is_speck:
            continue
        groups.setdefault(host, []).append(component)
    return [join(group, size) for group in groups.values()]


def _find_components(mask: Array, ink: Array) -> list[Shape]:
    """The connected components, those with the most ink first."""
    labels = label_components(mask)
    boxes = ndimage.find_objects(labels)
    masses = np.bincount(labels.ravel(), ink.ravel())[1:]
    by_mass = np.argsort(-masses, kind="stable")[:MAX_SHAPES]
    return [Shape(boxes[index], labels[boxes[index]] == index + 1) for index in by_mass]


def typical_size(shapes: Sequence[Shape]) -> float:
    """The median of the longer sides, weighted by the number of pixels, so that specks hardly count."""
    sizes = np.array([longer_side(shape.box) for shape in shapes])
    pixels = np.array([shape.mask.sum() for shape in shapes])
    order = sizes.argsort()
    half = np.searchsorted(pixels[order].cumsum(), pixels.sum() / 2)
    return float(sizes[order][half])


def _find_hosts(components: Sequence[Shape], size: float) -> list[int]:
    """For each component the one that it is joined to, or itself. The largest come first."""
    boxes = [component.box for component in components]
    edges = np.array([[rows.start, rows.stop, columns.start, columns.stop] for rows, columns in boxes])
    hosts = list(range(len(components)))
    for index in range(1, len(components)):
        component = components[index]
        if component.height > PART_SIZE * size:
            continue
        near = _near_components(edges[:index], edges[index], size)
        if near is not None:
            hosts[index] = hosts[near]
    return hosts


def _near_components(others: Array, edges: Array, size: float) -> int | None:
    """The index of the nearest of other components that this one may be a part of. Edges are top, bottom, left, right,
    int [N, 4] and [4]."""
    top, bottom, left, right = edges
    row_gaps = np.maximum(others[:, 0] - bottom, top - others[:, 1])
    column_gaps = np.maximum(others[:, 2] - right, left - others[:, 3])
    heights = np.maximum(others[:, 1], bottom) - np.minimum(others[:, 0], top)
    widths = np.maximum(others[:, 3], right) - np.minimum(others[:, 2], left)
    is_near = (row_gaps <= ROW_GAP * size) & (column_gaps <= COLUMN_GAP * size)
    is_compact = (heights <= JOINED_SIZE * size) & (widths <= JOINED_SIZE * size)
    gaps = np.maximum(row_gaps, column_gaps)
    gaps = np.where(is_near & is_compact, gaps, np.iinfo(gaps.dtype).max)
    nearest = int(gaps.argmin())
    return nearest if is_near[nearest] and is_compact[nearest] else None


def join(group: Sequence[Shape], size: float) -> Shape:
    """One shape of several."""
    if len(group) == 1:
        return group[0]
    box = group[0].box
    for part in group[1:]:
        box = enclosing_box(box, part.box)
    mask = np.zeros([side.stop - side.start for side in box], bool)
    for part in group:
        mask[_within(part.box, box)] |= part.mask
    large = [part for part in group if longer_side(part.box) >= COUNTED_PART * size]
    return Shape(box, mask, large if len(large) > 1 else ())


def _within(box: Box, outer: Box) -> Box:
    """The box relative to the upper left of an outer one."""
    rows, columns = box
    top, left = outer[0].start, outer[1].start
    return slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)

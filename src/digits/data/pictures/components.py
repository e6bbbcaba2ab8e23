"""Connected components of a mask: those of a digit, of other digits beside it, and of the edges of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from digits.data.pictures.masks import Array, Box, borders, longer_side

MAX_COMPONENTS = 50  # those with the most ink, to bound the work for a page of text
MAX_GROUPS = 9  # to bound the work for a page of text
GROUP_REACH = 0.25  # maximum distance to a group, relative to the group's longer side
GROUP_MASS = 0.04  # minimum ink of a component, relative to the main component of its group
LARGE_MASS = 0.15  # minimum ink of a large component, relative to the largest
LARGE_SIZE = 0.5  # minimum longer side of a large component, relative to the largest
EIGHT_NEIGHBORS = np.ones((3, 3))


@dataclass(frozen=True, eq=False)
class Component:
    """Inked pixels that touch each other."""

    label: int  # its value in the array of labels
    mass: float  # the sum of its ink
    box: Box


@dataclass(frozen=True)
class Groups:
    """Masks bool [H, W] of groups of components."""

    main: Array  # the group with the most ink
    others: Sequence[Array]  # groups of similar size that lie apart
    parts: Sequence[Array]  # the large components of the main group


def label_components(mask: Array) -> Array:
    """The number of the component of each pixel of a mask bool [H, W], int32 [H, W], from 1. 0 where there is none."""
    labels: Array
    labels, _ = ndimage.label(mask, EIGHT_NEIGHBORS)
    return labels


def group_components(labels: Array, ink: Array) -> Groups:
    """Groups components by their distance. `labels` [H, W] has at least one, see `label_components`. `ink` float32
    [H, W] is the weight of each pixel."""
    remaining = find_components(labels, ink)
    groups: list[list[Component]] = []
    while remaining and len(groups) < MAX_GROUPS:
        if groups and not is_large(remaining[0], groups[0][0]):
            break
        group = grow_group(remaining[0], remaining[1:])
        groups.append(group)
        remaining = [component for component in remaining if component not in group]
    main, *others = [_mask_of(labels, group) for group in groups]
    parts = [_mask_of(labels, [part]) for part in large_parts(groups[0])]
    return Groups(main, others, parts)


def find_components(labels: Array, ink: Array) -> list[Component]:
    """The components of labels int [H, W], those with the most ink first."""
    boxes = ndimage.find_objects(labels)
    inked = np.flatnonzero(labels)  # few pixels of most pictures
    masses = np.bincount(labels.ravel()[inked], weights=ink.ravel()[inked])
    numbers = [number for number, box in enumerate(boxes, 1) if box is not None]  # None: it was removed
    by_mass = sorted(numbers, key=lambda number: -masses[number])
    return [Component(number, masses[number], boxes[number - 1]) for number in by_mass[:MAX_COMPONENTS]]


def grow_group(main: Component, others: Sequence[Component]) -> list[Component]:
    """`main` and the `others` near it, in their order. Each one enlarges the box of the group."""
    group = [main]
    box = main.box
    for other in others:
        is_near = distance(box, other.box) <= GROUP_REACH * longer_side(box)
        if is_near and other.mass > GROUP_MASS * main.mass:
            group.append(other)
            box = enclosing_box(box, other.box)
    return group


def large_parts(group: Sequence[Component]) -> list[Component]:
    """The components of a group that are not small beside its first one."""
    return [component for component in group if is_large(component, group[0])]


def is_large(component: Component, largest: Component) -> bool:
    """Whether a component may be a digit, or a part of one, of the same size as the largest."""
    has_mass = component.mass > LARGE_MASS * largest.mass
    return bool(has_mass and longer_side(component.box) > LARGE_SIZE * longer_side(largest.box))


def distance(one: Box, other: Box) -> int:
    """Pixels between two boxes along the axis on which they lie farther apart. Negative if they overlap."""
    gaps: list[int] = []
    for a, b in zip(one, other, strict=True):
        gaps += [b.start - a.stop, a.start - b.stop]
    return max(gaps)


def enclosing_box(one: Box, other: Box) -> Box:
    """The smallest box that contains both."""
    rows, columns = one
    other_rows, other_columns = other
    return (
        slice(min(rows.start, other_rows.start), max(rows.stop, other_rows.stop)),
        slice(min(columns.start, other_columns.start), max(columns.stop, other_columns.stop)),
    )


def _mask_of(labels: Array, group: Sequence[Component]) -> Array:
    is_in_group = np.zeros(labels.max() + 1, bool)
    is_in_group[[component.label for component in group]] = True
    mask: Array = is_in_group.take(labels)
    return mask


def remove_edge_regions(labels: Array) -> Array:
    """The labels without components that cover most of one border, e.g. the edge of a table or a shadow. The same array
    if there are none."""
    regions: list[int] = []
    for border in borders(labels):
        lengths = np.bincount(border)
        lengths[0] = 0
        regions += np.flatnonzero(lengths > 0.5 * len(border)).tolist()
    if not regions:
        return labels
    kept = np.arange(labels.max() + 1, dtype=labels.dtype)
    kept[regions] = 0
    remaining: Array = kept.take(labels)
    return remaining

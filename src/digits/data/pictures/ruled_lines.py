"""Removes the lines of ruled and squared paper from a mask of ink."""

import numpy as np
from scipy import ndimage

from digits.data.pictures.components import label_components
from digits.data.pictures.masks import Array

MIN_LENGTH = 0.5  # of a line, relative to the sheet
RUN = 0.04  # minimum length of a straight piece of a line, relative to the sheet
MAX_THICKNESS = 0.012  # of a line, relative to the sheet's longer side


def remove_ruled_lines(mask: Array) -> Array:
    """The mask bool [H, W] without long, thin, nearly horizontal or vertical lines. Strokes that cross a line stay."""
    mask = mask & ~_horizontal_lines(mask)
    return mask & ~_horizontal_lines(mask.T).T


def _horizontal_lines(mask: Array) -> Array:
    """The pixels of the lines, bool [H, W]."""
    height, width = mask.shape
    run = max(8, round(RUN * width))
    straight = _long_runs(mask, run)
    if not straight.any():
        return straight
    # Pieces of a line that is interrupted by strokes or noise touch after a dilation.
    connected = ndimage.maximum_filter1d(ndimage.maximum_filter1d(straight, run, axis=1), 3, axis=0)
    labels = label_components(connected)
    lines = np.zeros_like(mask)
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        if columns.stop - columns.start >= MIN_LENGTH * width:
            lines[rows, columns] |= labels[rows, columns] == label
    lines &= mask
    thickness = max(2, round(MAX_THICKNESS * max(height, width)))
    crossing = _long_runs(mask.T, thickness + 1).T
    return lines & ~crossing


def _long_runs(mask: Array, length: int) -> Array:
    """The pixels of runs along a row of at least this length."""
    odd_length = length // 2 * 2 + 1
    # For bool, these filters are an erosion and a dilation, many times as fast as SciPy's binary ones.
    inside = ndimage.minimum_filter1d(mask, odd_length, axis=1, mode="constant")
    runs: Array = ndimage.maximum_filter1d(inside, odd_length, axis=1, mode="constant")
    return runs

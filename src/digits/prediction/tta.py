"""Test-time augmentation: slightly rotated, scaled and shifted views of the digits."""

from math import cos, radians, sin
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

TTA_MAX_DEGREES = 7.0
TTA_MAX_SHIFT = 1.5  # pixels
TTA_MAX_ZOOM = 0.05
SIDE = 28
CENTER = (SIDE - 1) / 2

View: TypeAlias = Any
"""A sparse matrix float32 [784, 784] of SciPy, which maps the pixels of an image to those of its view"""


def sample_views(count: int, seed: int) -> list[View]:
    """Random views, the same for each `seed`."""
    views = []
    for rotation, shift_x, shift_y, zoom in np.random.default_rng(seed).uniform(-1, 1, (count, 4)):
        view = affine_view(
            angle=radians(TTA_MAX_DEGREES * rotation),
            scale=1 + TTA_MAX_ZOOM * zoom,
            shift=(TTA_MAX_SHIFT * shift_x, TTA_MAX_SHIFT * shift_y),
        )
        views.append(view)
    return views


def affine_view(angle: float, scale: float, shift: tuple[float, float]) -> View:
    """The view of an image that is rotated by `angle` (radians, clockwise) and enlarged by `scale` about its center,
    and then shifted by pixels to the right and down. Interpolation is bilinear; outside of the image it is black."""
    from scipy.sparse import coo_array  # imported late: only views need it

    y, x = np.indices((SIDE, SIDE)).reshape(2, -1)
    centered_x = x - CENTER - shift[0]
    centered_y = y - CENTER - shift[1]
    # Where in the image each pixel of the view comes from.
    source_x = (cos(angle) * centered_x + sin(angle) * centered_y) / scale + CENTER
    source_y = (cos(angle) * centered_y - sin(angle) * centered_x) / scale + CENTER
    matrix = coo_array((SIDE * SIDE, SIDE * SIDE), dtype=np.float32)
    for neighbor_x in (np.floor(source_x), np.floor(source_x) + 1):
        for neighbor_y in (np.floor(source_y), np.floor(source_y) + 1):
            weight = (1 - abs(source_x - neighbor_x)) * (1 - abs(source_y - neighbor_y))
            is_inside = (neighbor_x >= 0) & (neighbor_x < SIDE) & (neighbor_y >= 0) & (neighbor_y < SIDE)
            rows = np.flatnonzero(is_inside)
            columns = (SIDE * neighbor_y + neighbor_x)[is_inside].astype(int)
            matrix += coo_array((weight[is_inside].astype(np.float32), (rows, columns)), matrix.shape)
    return matrix.tocsr()


def apply_view(view: View, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The views uint8 [N, 28, 28] of images uint8 [N, 28, 28]."""
    pixels = images.reshape(len(images), SIDE * SIDE).astype(np.float32)
    seen = (view @ pixels.T).T.round()
    return seen.astype(np.uint8).reshape(-1, SIDE, SIDE)  # type: ignore[no-any-return]

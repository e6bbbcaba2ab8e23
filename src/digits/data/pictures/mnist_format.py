"""MNIST's format: white ink on black, scaled into 20×20 with its aspect ratio kept, anti-aliased, its center of mass in
the center of 28×28 (Y. LeCun et al. 1998, section III.A)."""

import numpy as np
from PIL import Image
from scipy import ndimage

from digits.data.pictures.masks import Array, bounding_box, longer_side

SIDE = 28
DIGIT_SIDE = 20
CENTER = SIDE / 2
MIN_INK = 0.2  # of a pixel within the digit's box
MIN_GRAY_LEVELS = 5  # of soft edges; one of 10,000 of MNIST's digits has fewer


def fit_and_center(ink: Array) -> Array:
    """Scales the ink, float32 [h, w] in [0, 1], into 20×20, and moves its center of mass to the center of
    uint8 [28, 28]."""
    pixels = np.zeros((SIDE, SIDE), dtype=np.uint8)
    inked = ink > MIN_INK
    if not inked.any():
        return pixels
    small = _scale(ink[bounding_box(inked)])
    brightness = np.percentile(small[small > MIN_INK], 90)
    small = np.clip(small / max(brightness, 0.3), 0, 1)

    height, width = small.shape
    center_row, center_column = ndimage.center_of_mass(small)
    # A lopsided digit stays inside.
    top = min(max(round(CENTER - center_row), 0), SIDE - height)
    left = min(max(round(CENTER - center_column), 0), SIDE - width)
    pixels[top : top + height, left : left + width] = (small * 255).round()
    return pixels


def _scale(digit: Array) -> Array:
    """Scales a digit that fills its box so that its longer side has 20 pixels."""
    height, width = digit.shape
    scale = DIGIT_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(digit).resize(size, Image.Resampling.BILINEAR))


def is_mnist_format(pixels: Array) -> bool:
    """Whether pixels float32 [28, 28] in [0, 1] need no change: black corners, soft edges, the size of MNIST's digits,
    and their center of mass."""
    inked = pixels > 0
    corners = inked[[0, 0, -1, -1], [0, -1, 0, -1]]
    if corners.any() or not inked.any():
        return False
    if len(np.unique(pixels)) < MIN_GRAY_LEVELS:
        return False
    if longer_side(bounding_box(inked)) not in (DIGIT_SIDE - 1, DIGIT_SIDE):
        return False
    center_row, center_column = ndimage.center_of_mass(pixels)
    return bool(abs(center_row - CENTER) < 0.75 and abs(center_column - CENTER) < 0.75)

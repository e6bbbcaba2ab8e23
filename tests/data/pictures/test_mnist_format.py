"""MNIST's format: the size and the center of a digit."""

import numpy as np
import pytest
from scipy import ndimage

from digits.data.pictures.masks import bounding_box, longer_side
from digits.data.pictures.mnist_format import fit_and_center, is_mnist_format
from digits.data.sources import sample

DIGITS = sample().test.images.numpy()[:60].astype(np.float32) / 255


@pytest.mark.parametrize("shape", [(100, 30), (30, 100), (9, 9)])
def test_ink_is_scaled_and_centered(shape: tuple[int, int]) -> None:
    ink = np.zeros((120, 120), dtype=np.float32)
    ink[3 : 3 + shape[0], 5 : 5 + shape[1]] = np.linspace(0.3, 1, shape[1])
    pixels = fit_and_center(ink)
    assert (pixels.shape, pixels.dtype) == ((28, 28), np.uint8)
    assert longer_side(bounding_box(pixels > 0)) == 20
    assert np.abs(np.subtract(ndimage.center_of_mass(pixels), 14)).max() <= 0.6


def test_faint_ink_becomes_bright_and_no_ink_stays_black() -> None:
    assert fit_and_center(np.full((20, 20), 0.4, dtype=np.float32)).max() == 255
    assert not fit_and_center(np.full((20, 20), 0.1, dtype=np.float32)).any()


def test_mnist_digits_have_the_format_and_altered_ones_have_not() -> None:
    for digit in DIGITS:
        assert is_mnist_format(digit)
        assert not is_mnist_format(np.roll(digit, 2, axis=0))  # not centered
        assert not is_mnist_format((digit > 0.5).astype(np.float32))  # hard edges
        assert not is_mnist_format(1 - digit)
        assert not is_mnist_format(np.pad(digit[5:23, 5:23], 5))  # cropped to 18 pixels
    assert not is_mnist_format(np.zeros((28, 28), dtype=np.float32))

"""Extremes of windows are those of SciPy."""

import numpy as np
import pytest
from scipy import ndimage

from digits.data.pictures.masks import running_extreme


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21, 40])
def test_extremes_of_windows(size: int) -> None:
    values = np.random.default_rng(size).random((40, 5), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(values, size, axis=0)
    assert np.array_equal(running_extreme(values, size, np.maximum), windows.max(-1))
    assert np.array_equal(running_extreme(values, size, np.minimum), windows.min(-1))


@pytest.mark.parametrize("side", [7, 12, 31])
def test_lowest_maximum_of_the_windows_is_a_closing(side: int) -> None:
    values = np.random.default_rng(side).random((50, 60), np.float32)
    closed = np.pad(values, side - 1, mode="edge")
    for extreme in (np.maximum, np.minimum):
        closed = running_extreme(closed, side, extreme)
        closed = running_extreme(closed.T, side, extreme).T
    padded = ndimage.grey_closing(np.pad(values, side, mode="edge"), (side, side))
    assert np.array_equal(closed, padded[side:-side, side:-side])

"""The lines of ruled and squared paper are removed from a mask."""

import numpy as np
import pytest

from digits.data.pictures.masks import Array
from digits.data.pictures.ruled_lines import remove_ruled_lines


def paper(slope: float = 0.0) -> tuple[Array, Array]:
    """A digit's stroke that crosses a line, and the line, both bool [300, 400]."""
    rows, columns = np.mgrid[:300, :400]
    stroke = (np.abs(columns - 200) < 4) & (rows > 120) & (rows < 180)
    line = np.abs(rows - 150 + slope * (columns - 200)) < 1.5
    return stroke, line


@pytest.mark.parametrize("slope", [0.0, 0.01, -0.02])
def test_line_is_removed_and_a_stroke_that_crosses_it_stays(slope: float) -> None:
    stroke, line = paper(slope)
    cleared = remove_ruled_lines(stroke | line)
    assert (cleared & stroke).sum() > 0.95 * stroke.sum()
    assert (cleared & ~stroke).sum() < 0.05 * (line & ~stroke).sum()


def test_vertical_line_is_removed() -> None:
    stroke, line = paper()
    cleared = remove_ruled_lines((stroke | line).T).T
    assert (cleared & ~stroke).sum() < 0.05 * (line & ~stroke).sum()


def test_bar_of_a_digit_stays() -> None:
    bar = np.zeros((300, 400), bool)
    bar[100:103, 150:210] = True
    assert np.array_equal(remove_ruled_lines(bar), bar)

"""Sheets: touching digits are cut if they are more likely several digits than one."""

import numpy as np
import pytest

from digits.data.pictures.choose import Predict
from digits.data.pictures.masks import Array
from digits.data.pictures.sheet import Sheet, read_sheet

HEIGHT, WIDTH = 40, 30  # pixels of a digit
SHAPES = 8  # of the sheet; one of them is a pair


def sheet_of(gap: int, width: int = WIDTH) -> Array:
    """Two lines of filled rectangles. The last two are connected by a thin bridge over `gap` pixels."""
    gray = np.full((300, 480), 230, np.uint8)
    for top in (60, 180):
        for column in range(3):
            left = 40 + 100 * column
            gray[top : top + HEIGHT, left : left + WIDTH] = 20
    for top, left in ((60, 340), (180, 340), (180, 340 + width + gap)):
        gray[top : top + HEIGHT, left : left + width] = 20
    gray[198:202, 340 : 340 + width + gap] = 20
    return gray


def judge(whole: float, part: float = 0.99) -> Predict:
    """Has the confidence `whole` in the widest of the shapes, which is the pair, and `part` in all parts."""

    def predict(images: Array) -> Array:
        confidences = np.full(len(images), part)
        if len(images) == SHAPES:
            confidences = np.full(SHAPES, 0.99)
            inked_columns = (images > 64).any(1).sum(1)
            confidences[inked_columns.argmax()] = whole
        probabilities = np.zeros((len(images), 10), np.float32)
        probabilities[:, 8] = confidences
        return probabilities

    return predict


def count(sheet: Sheet | None) -> int:
    return 0 if sheet is None else len(sheet.digits)


@pytest.mark.parametrize("whole", [0.3, 0.9999])
def test_pair_of_the_width_of_two_digits_is_cut_also_if_it_convinces_as_one(whole: float) -> None:
    assert count(read_sheet(sheet_of(gap=12), judge(whole))) == SHAPES + 1


@pytest.mark.parametrize(("whole", "digits"), [(0.3, SHAPES + 1), (0.9999, SHAPES)])
def test_narrow_pair_is_cut_only_if_it_does_not_convince_as_one(whole: float, digits: int) -> None:
    assert count(read_sheet(sheet_of(gap=8, width=14), judge(whole))) == digits


def test_pair_stays_whole_if_a_part_does_not_convince() -> None:
    assert count(read_sheet(sheet_of(gap=12), judge(0.95, part=0.7))) == SHAPES

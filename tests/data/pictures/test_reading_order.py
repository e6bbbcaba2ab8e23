"""The order of reading on a page."""

import random

from digits.data.pictures.masks import Box
from digits.data.pictures.reading_order import reading_order


def box(top: int, left: int, height: int = 20, width: int = 12) -> Box:
    return slice(top, top + height), slice(left, left + width)


def test_lines_are_read_from_top_to_bottom_and_from_left_to_right() -> None:
    boxes = [box(30 * line, 20 * column) for line in range(3) for column in range(4)]
    shuffled = list(range(12))
    random.Random(0).shuffle(shuffled)
    lines = reading_order([boxes[index] for index in shuffled])
    assert [[shuffled[index] for index in line] for line in lines] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_line_that_falls_by_more_than_a_digit_is_one_line() -> None:
    falling = [box(4 * column, 20 * column) for column in range(10)]
    below = [box(30 + 4 * column, 20 * column) for column in range(10)]
    assert reading_order([*below, *falling]) == [list(range(10, 20)), list(range(10))]


def test_column_has_one_digit_a_line() -> None:
    assert reading_order([box(60, 3), box(0, 5), box(30, 0)]) == [[1], [2], [0]]


def test_small_digit_belongs_to_the_line_of_its_neighbors() -> None:
    assert reading_order([box(0, 0), box(11, 20, height=8), box(0, 40)]) == [[0, 1, 2]]


def test_nothing_has_no_lines() -> None:
    assert reading_order([]) == []

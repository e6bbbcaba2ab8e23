"""Shapes of a sheet: specks are removed, and the parts of one digit are joined. Cuts between digits that touch."""

import numpy as np

from digits.data.pictures.masks import Array
from digits.data.pictures.shapes import Shape, find_shapes
from digits.data.pictures.touching import cuts


def drawn(*boxes: tuple[int, int, int, int]) -> Array:
    """Filled boxes top, left, bottom, right in a mask bool [200, 300]."""
    mask = np.zeros((200, 300), bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


def found(mask: Array) -> set[tuple[int, int, int, int]]:
    shapes = find_shapes(mask, mask.astype(np.float32))
    return {(s.box[0].start, s.box[1].start, s.box[0].stop, s.box[1].stop) for s in shapes}


BODY, OTHER = (50, 20, 100, 50), (50, 120, 100, 150)


def test_specks_are_removed() -> None:
    assert found(drawn(BODY, OTHER, (20, 200, 24, 204), (150, 60, 153, 66))) == {BODY, OTHER}


def test_the_roof_of_a_five_belongs_to_its_body() -> None:
    roof = (42, 36, 47, 60)
    assert found(drawn(BODY, OTHER, roof)) == {(42, 20, 100, 60), OTHER}


def test_neighbors_in_a_line_and_in_a_column_stay_apart() -> None:
    boxes = {BODY, (50, 54, 100, 84), (104, 20, 154, 50)}
    assert found(drawn(*boxes)) == boxes


def test_parts_as_large_as_digits_are_kept_beside_the_joined_shape() -> None:
    halves = [(50, 20, 80, 50), (84, 22, 110, 48)]
    mask = drawn(*halves, OTHER, (50, 220, 100, 250))
    [joined] = [shape for shape in find_shapes(mask, mask.astype(np.float32)) if shape.box[1].start == 20]
    assert len(joined.parts) == 2
    assert sum(part.mask.sum() for part in joined.parts) == joined.mask.sum()


def test_nothing_has_no_shapes() -> None:
    assert find_shapes(drawn(), np.ones((200, 300), np.float32)) == []


def test_digits_that_touch_are_cut_where_the_bridge_is() -> None:
    mask = drawn((0, 0, 60, 30), (25, 30, 29, 34), (0, 34, 60, 64))[:60, :64]
    shape = Shape((slice(10, 70), slice(100, 164)), mask)
    ways = list(cuts(shape))
    edges = {tuple((part.box[1].start, part.box[1].stop) for part in way) for way in ways}
    assert any(130 <= left[1] <= 134 and right[1] == 164 for left, right, *_ in edges)
    for way in ways:
        assert sum(part.mask.sum() for part in way) == mask.sum()


def test_parts_without_much_ink_are_not_cut_off() -> None:
    mask = drawn((0, 0, 60, 30))[:60, :64]
    shape = Shape((slice(0, 60), slice(0, 64)), mask)
    for way in cuts(shape):
        assert min(part.mask.sum() for part in way) >= 0.1 * mask.sum()

"""Connected components: grouped by distance and size, without the edges of a picture."""

import numpy as np

from digits.data.pictures.components import (
    Component,
    distance,
    enclosing_box,
    find_components,
    group_components,
    grow_group,
    label_components,
    large_parts,
    remove_edge_regions,
)
from digits.data.pictures.masks import Array, Box


def box(top: int, left: int, height: int, width: int) -> Box:
    return slice(top, top + height), slice(left, left + width)


def mask_of(*boxes: Box) -> Array:
    mask = np.zeros((100, 200), dtype=bool)
    for one in boxes:
        mask[one] = True
    return mask


def group(*boxes: Box) -> tuple[Array, list[Array], list[Array]]:
    mask = mask_of(*boxes)
    groups = group_components(label_components(mask), mask.astype(np.float32))
    return groups.main, list(groups.others), list(groups.parts)


def test_distance_of_boxes_is_that_of_the_farther_axis() -> None:
    assert distance(box(0, 0, 10, 10), box(0, 15, 10, 10)) == 5
    assert distance(box(0, 15, 10, 10), box(17, 0, 10, 10)) == 7
    assert distance(box(0, 0, 10, 10), box(5, 5, 10, 10)) < 0


def test_enclosing_box_contains_both() -> None:
    assert enclosing_box(box(3, 0, 10, 4), box(0, 15, 5, 10)) == box(0, 0, 13, 25)


def test_a_group_reaches_farther_as_it_grows() -> None:
    main = Component(1, 100.0, box(0, 0, 40, 40))
    near = Component(2, 50.0, box(0, 48, 40, 40))
    farther = Component(3, 50.0, box(0, 105, 40, 40))  # 65 pixels from the first, 17 from the second
    assert grow_group(main, [near, farther]) == [main, near, farther]
    assert grow_group(main, [farther, near]) == [main, near]


def test_specks_are_not_part_of_a_group() -> None:
    main, speck = Component(1, 100.0, box(0, 0, 40, 40)), Component(2, 3.0, box(0, 41, 2, 2))
    assert grow_group(main, [speck]) == [main]


def test_parts_of_a_digit_have_the_mass_and_the_size_of_the_largest() -> None:
    largest = Component(1, 100.0, box(0, 0, 40, 10))
    same = Component(2, 90.0, box(0, 12, 40, 10))
    light, short = Component(3, 10.0, box(0, 24, 40, 10)), Component(4, 90.0, box(0, 36, 20, 20))
    assert large_parts([largest, same, light, short]) == [largest, same]


def test_the_group_with_the_most_ink_is_first_and_similar_ones_follow() -> None:
    digit, bar, other, speck = box(10, 10, 60, 10), box(30, 24, 5, 20), box(10, 120, 55, 10), box(90, 190, 2, 2)
    main, others, parts = group(speck, other, bar, digit)
    assert np.array_equal(main, mask_of(digit, bar))
    assert len(others) == 1
    assert np.array_equal(others[0], mask_of(other))
    assert len(parts) == 1
    assert np.array_equal(parts[0], mask_of(digit))


def test_the_edge_of_a_table_is_removed() -> None:
    digit, edge, touching = box(20, 50, 60, 10), box(0, 0, 100, 5), box(80, 100, 20, 10)
    labels = label_components(mask_of(digit, edge, touching))
    cleared = remove_edge_regions(labels)
    assert np.array_equal(cleared > 0, mask_of(digit, touching))
    assert np.array_equal(cleared[cleared > 0], labels[cleared > 0])


def test_labels_without_an_edge_stay_as_they_are() -> None:
    labels = label_components(mask_of(box(20, 50, 60, 10)))
    assert remove_edge_regions(labels) is labels


def test_components_of_removed_labels_are_left_out() -> None:
    mask = mask_of(box(0, 0, 100, 5), box(20, 50, 60, 10), box(30, 90, 5, 5))
    components = find_components(remove_edge_regions(label_components(mask)), mask.astype(np.float32))
    assert [(component.box, component.mass) for component in components] == [
        (box(20, 50, 60, 10), 600), (box(30, 90, 5, 5), 25),
    ]  # fmt: skip

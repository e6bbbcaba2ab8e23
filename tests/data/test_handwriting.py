"""Variations of handwriting, and images without a digit."""

import pytest
import torch
from torch import Tensor

from digits.data.handwriting import (
    RandomHandwriting,
    change_width,
    cut_gaps,
    dilate,
    distance_to_segment,
    draw_outline,
    draw_strokes,
    erode,
    fade,
    redraw_lines,
    stroke_point,
)
from digits.data.non_digits import (
    LETTERS,
    crossing_lines,
    letter_images,
    level_lines,
    lines,
    make_non_digits,
    parallel_lines,
    patches,
)
from digits.errors import InputError


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def bars(count: int) -> Tensor:
    """Vertical strokes of three pixels in rows 4 to 23."""
    pixels = torch.zeros(count, 1, 28, 28)
    pixels[:, :, 4:24, 13:16] = 1
    return pixels


def test_a_stroke_begins_and_ends_where_its_ink_does() -> None:
    slanted = torch.zeros(1, 28, 28)
    for row in range(5, 21):
        slanted[0, row, 20 - row // 2] = 1
    assert torch.allclose(stroke_point(slanted, 0.0), torch.tensor([[17.8, 5.0]]), atol=0.5)
    assert torch.allclose(stroke_point(slanted, 1.0), torch.tensor([[10.2, 20.0]]), atol=0.5)


def test_the_distance_to_a_segment_is_measured_to_its_nearest_point() -> None:
    distance = distance_to_segment(28, torch.tensor([[2.0, 3.0]]), torch.tensor([[10.0, 3.0]]))[0]
    assert distance[3, 5] == 0
    assert distance[7, 5] == 4
    assert distance[3, 13] == 3
    assert distance[7, 13] == 5


def test_strokes_are_added_to_1_7_and_9_only() -> None:
    labels = torch.arange(10).repeat_interleave(200)
    drawn = draw_strokes(bars(len(labels)), labels, 0.5)
    changed = (drawn != bars(1)).flatten(1).any(1).view(10, 200).sum(1)
    assert (changed > 0).nonzero().flatten().tolist() == [1, 7, 9]
    assert ((changed[[1, 7, 9]] > 60) & (changed[[1, 7, 9]] < 140)).all()  # the probability is a half
    assert (drawn >= bars(1)).all()


@pytest.mark.parametrize(
    ("label", "rows", "columns"),
    [(1, slice(4, 20), slice(0, 12)), (7, slice(12, 18), slice(17, 28)), (9, slice(20, 28), slice(0, 10))],
)
def test_each_stroke_is_where_writers_draw_it(label: int, rows: slice, columns: slice) -> None:
    drawn = draw_strokes(bars(100), torch.full((100,), label), 1.0) - bars(100)
    assert (drawn[:, 0, rows, columns].amax((1, 2)) > 0.5).float().mean() > 0.9


def test_an_upstroke_is_steeper_than_the_top_of_a_7() -> None:
    drawn = draw_strokes(bars(500), torch.ones(500, dtype=torch.int64), 1.0) - bars(500)
    left = drawn[:, 0, :, 10].clamp(min=0)  # four pixels left of its center
    rows = (left * torch.arange(28)).sum(1) / left.sum(1)
    assert rows[left.sum(1) > 1].min() > 5.2  # the top is in row 4


@pytest.mark.parametrize("change", [draw_outline, redraw_lines, change_width, fade, cut_gaps])
def test_changes_of_ink_keep_the_range(change: object) -> None:
    assert callable(change)
    pixels = bars(64)
    changed = change(pixels)
    assert changed.shape == pixels.shape
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-6
    assert not torch.equal(changed, pixels)


def test_outlines_are_empty_inside() -> None:
    wide = dilate(bars(1))  # five pixels
    outline = draw_outline(wide)[0, 0, 14]
    assert outline[11:18].tolist() == [1, 1, 0, 0, 0, 1, 1]


def test_redrawn_lines_have_one_width() -> None:
    """A wide stroke becomes as narrow as a narrow one."""
    pixels = torch.zeros(2, 1, 28, 28)
    pixels[0, 0, 4:24, 14] = 1
    pixels[1, 0, 4:24, 11:18] = 1
    torch.manual_seed(3)
    narrow, wide = redraw_lines(pixels)[:, 0, 14].gt(0.9).sum(1).tolist()
    assert narrow == wide == 1


def test_dilation_and_erosion_are_opposites() -> None:
    pixels = torch.rand(4, 1, 28, 28)
    assert torch.equal(dilate(pixels), torch.nn.functional.max_pool2d(pixels, 3, 1, 1))
    torch.testing.assert_close(erode(pixels), 1 - dilate(1 - pixels))


def test_gaps_cut_a_stroke_in_two() -> None:
    rows = cut_gaps(bars(200))[:, 0, 4:24].amax(2)
    assert ((rows.amin(1) < 0.4) & (rows.amax(1) == 1)).float().mean() > 0.5


def test_without_probabilities_nothing_changes() -> None:
    pixels, labels = torch.rand(8, 1, 28, 28), torch.arange(8)
    assert torch.allclose(RandomHandwriting(strokes=0.0, ink=0.0, degradation=0.0)(pixels, labels), pixels, atol=1e-5)


@pytest.mark.parametrize("setting", ["strokes", "ink", "degradation", "elastic"])
def test_impossible_settings_are_named(setting: str) -> None:
    with pytest.raises(InputError, match=f"augment.{setting}=-1: a number from 0"):
        RandomHandwriting(**{setting: -1})


def test_non_digits_are_images_of_all_kinds() -> None:
    images = make_non_digits(bars(16), 202)
    assert images.shape == (202, 1, 28, 28)
    assert images.min() >= 0
    assert images.max() <= 1 + 1e-6
    assert len(images.unique(dim=0)) > 190
    assert make_non_digits(bars(4), 1).shape == (1, 1, 28, 28)


def test_patches_are_scaled_as_digits_are() -> None:
    torch.manual_seed(0)
    inked = patches(bars(1), 300)[:, 0] > 0.2
    sides = inked.any(2).sum(1).maximum(inked.any(1).sum(1))
    assert (sides <= 22).all()
    assert (sides >= 17).float().mean() > 0.6


def test_letters_are_scaled_as_digits_are_and_resemble_none() -> None:
    inked = letter_images(torch.device("cpu"))[:, 0] > 0
    assert (inked.any(2).sum(1).maximum(inked.any(1).sum(1)) == 20).all()
    assert not {"O", "l", "S", "Z"} & set(LETTERS)


def test_lines_lie_inside_and_have_their_directions() -> None:
    device = torch.device("cpu")
    for draw in (crossing_lines, parallel_lines, level_lines):
        ends = draw(200, 28, device)
        assert ends.shape == (200, 8, 2, 2)
        assert ends[..., 0].min() >= 3
        assert ends[..., 0].max() <= 25
    start, end = parallel_lines(200, 28, device).unbind(2)
    is_horizontal = start[..., 1] == end[..., 1]
    assert ((start[..., 0] == end[..., 0]) | is_horizontal).all()
    assert abs(is_horizontal.float().mean() - 0.5) < 0.05
    start, end = level_lines(200, 28, device).unbind(2)
    assert ((end - start)[..., 1].abs() < 3).all()
    assert ((end - start)[..., 0] == 21).all()


def test_level_lines_are_few() -> None:
    images = lines(bars(1), 400)[:, 0]
    assert images.flatten(1).amax(1).min() > 0.5
    empty_rows = (images.amax(2) < 0.1).float().sum(1)
    assert (empty_rows > 14).float().mean() > 0.15

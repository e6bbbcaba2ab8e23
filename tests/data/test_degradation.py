"""What scanners, cameras and file formats do to an image."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from digits.data.degradation import (
    DEGRADATIONS,
    add_line,
    add_noise,
    add_specks,
    blur,
    change_paper,
    change_side,
    coarsen,
    degrade,
    harden_edges,
    reduce_levels,
)
from digits.data.handwriting import RandomHandwriting
from digits.data.non_digits import NO_DIGIT, make_non_digits
from digits.data.sources import sample
from digits.models.layers import scale_images

CHANGES = sorted({degradation.change for degradation in DEGRADATIONS}, key=lambda change: change.__name__)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def digits(count: int) -> Tensor:
    return scale_images(sample().train.images[:count])


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_keeps_shape_and_dtype_and_differs_for_equal_images(change: Callable[[Tensor], Tensor]) -> None:
    pixels = digits(1).expand(64, 1, 28, 28)
    changed = change(pixels)
    assert changed.shape == pixels.shape
    assert changed.dtype == pixels.dtype
    assert changed.isfinite().all()
    assert len(changed.unique(dim=0)) > 5


def test_degraded_images_stay_in_range() -> None:
    pixels = digits(400)
    degraded = degrade(pixels)
    assert degraded.min() >= 0
    assert degraded.max() <= 1
    unchanged = (degraded == pixels).flatten(1).all(1).float().mean()
    assert 0.05 < unchanged < 0.3


def test_images_that_are_not_degraded_stay_as_they_are() -> None:
    pixels = digits(400)
    augmented = RandomHandwriting(strokes=0.0, ink=0.0, degradation=0.5)(pixels)
    unchanged = torch.isclose(augmented, pixels, atol=1e-5).flatten(1).all(1).float().mean()
    assert 0.5 < unchanged < 0.7


def test_blur_spreads_ink_and_keeps_its_amount() -> None:
    pixels = torch.zeros(50, 1, 28, 28)
    pixels[:, :, 14, 14] = 1
    blurred = blur(pixels)
    torch.testing.assert_close(blurred.sum((1, 2, 3)), torch.ones(50))
    assert (blurred[:, 0, 14, 14] < 1).all()
    assert (blurred[:, 0, 14, 15] > 0).all()


def test_a_half_of_hard_edges_has_two_tones() -> None:
    hard = harden_edges(digits(300)).clamp(0, 1)
    has_two_tones = ((hard < 0.01) | (hard > 0.99)).flatten(1).float().mean(1) > 0.995
    assert 0.4 < has_two_tones.float().mean() < 0.75


def test_faint_digits_keep_their_ink_after_a_threshold() -> None:
    hard = harden_edges(0.2 * digits(200)).clamp(0, 1)
    assert (hard.amax((1, 2, 3)) > 0.5).all()


def test_coarse_pixels_keep_the_order_of_the_images() -> None:
    pixels = digits(200)
    coarse = coarsen(pixels)
    nearest = torch.cdist(coarse.flatten(1), pixels.flatten(1)).argmin(1)
    assert (nearest == torch.arange(200)).float().mean() > 0.9


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_batch_may_be_smaller_than_the_number_of_resolutions(count: int) -> None:
    assert coarsen(digits(count)).shape == (count, 1, 28, 28)


def test_lines_are_drawn_beside_the_ink() -> None:
    lines = add_line(torch.zeros(200, 1, 28, 28))
    assert ((lines > 0).flatten(1).float().mean(1) > 0.01).float().mean() > 0.9
    assert (lines.flatten(1).mean(1) < 0.2).all()
    assert (add_line(digits(50)) >= digits(50)).all()


def test_a_changed_side_leaves_the_center() -> None:
    pixels = digits(200)
    changed = change_side(pixels)
    assert torch.equal(changed[:, :, 12:16, 12:16], pixels[:, :, 12:16, 12:16])
    assert (changed != pixels).flatten(1).any(1).float().mean() > 0.9


def test_paper_is_darker_than_its_ink() -> None:
    pixels = torch.zeros(200, 1, 28, 28)
    pixels[:, :, 10:18, 10:18] = 1
    changed = change_paper(pixels)
    paper = changed[:, 0, :8].amax((1, 2))
    assert (changed[:, 0, 12:16, 12:16].amin((1, 2)) > changed[:, 0, 9, 9]).all()
    assert 0.2 < paper.mean() < 0.5


def test_noise_and_specks_have_several_strengths() -> None:
    deviations = add_noise(torch.full((300, 1, 28, 28), 0.5)).flatten(1).std(1)
    assert deviations.min() < 0.05
    assert deviations.max() > 0.2
    specks = (add_specks(torch.full((300, 1, 28, 28), 0.5)) != 0.5).flatten(1).float().mean(1)
    assert specks.min() < 0.05
    assert 0.15 < specks.max() < 0.25


def test_gray_levels_are_two_to_eight() -> None:
    levels = {len(image.unique()) for image in reduce_levels(torch.rand(200, 1, 28, 28))}
    assert levels == set(range(2, 9))


def test_digits_and_others_are_degraded_alike() -> None:
    """The same draws change an image in the same way, whether it shows a digit or not."""
    augment = RandomHandwriting(strokes=1.0, ink=1.0, degradation=1.0, degrees=12.0)
    pixels = torch.cat([digits(20), make_non_digits(digits(20), 20)])
    torch.manual_seed(0)
    as_digits = augment(pixels, torch.full((40,), 3))
    torch.manual_seed(0)
    as_others = augment(pixels, torch.full((40,), NO_DIGIT))
    assert torch.equal(as_digits, as_others)

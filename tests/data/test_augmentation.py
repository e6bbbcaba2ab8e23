"""Augmentation moves images as Kornia does, each by its own draw, within the bounds that were asked for."""

from typing import Any

import kornia
import pytest
import torch
import torch.nn.functional as F
from helpers import config
from hydra.utils import instantiate

from digits.data.augmentation import RandomAffine, affine
from digits.errors import InputError

SETTINGS = {"degrees": 30.0, "translate": [0.2, 0.1], "scale": [0.7, 1.3], "shear": 15.0}


def test_moves_images_as_kornia_does() -> None:
    pixels = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    other = kornia.augmentation.RandomAffine(**SETTINGS, p=1.0)
    expected = other(pixels)
    drawn = other._params
    angle, shear = drawn["angle"].deg2rad(), drawn["shear_x"].deg2rad()
    moves = affine(angle, drawn["scale"][:, 0], shear, *(drawn["translations"].T / 28))
    grid = F.affine_grid(moves, list(pixels.shape), align_corners=False)
    assert torch.allclose(F.grid_sample(pixels, grid, align_corners=False), expected, atol=1e-4)


def test_each_image_has_its_own_draw_that_the_seed_repeats() -> None:
    pixels = torch.rand(1, 1, 28, 28).expand(8, 1, 28, 28)
    augment = RandomAffine(**SETTINGS)
    torch.manual_seed(3)
    moved = augment(pixels)
    assert not any(torch.equal(moved[0], other) for other in moved[1:])
    torch.manual_seed(3)
    assert torch.equal(augment(pixels), moved)
    assert torch.allclose(RandomAffine(degrees=0.0)(pixels), pixels, atol=1e-5)


def test_stays_within_its_bounds() -> None:
    """A dot in the middle goes as far as `translate` says, either way, and a disc keeps its size within `scale`."""
    dot = torch.zeros(2000, 1, 28, 28)
    dot[:, :, 13:15, 13:15] = 1
    moved = RandomAffine(degrees=0.0, translate=[0.25, 0.125])(dot)[:, 0]
    centres = torch.arange(28) - 13.5
    for sums, bound in ((moved.sum(1), 7.0), (moved.sum(2), 3.5)):
        shifts = (sums * centres).sum(1) / sums.sum(1)
        assert bound - 0.5 < shifts.max() <= bound + 0.01
        assert -bound - 0.01 <= shifts.min() < -bound + 0.5
    disc = ((centres**2 + centres[:, None] ** 2) < 36).float().expand(2000, 1, 28, 28)
    growth = RandomAffine(degrees=180.0, scale=[0.8, 1.25])(disc).sum((1, 2, 3)) / disc[0].sum()
    assert 0.8**2 - 0.02 < growth.min() < 0.68
    assert 1.48 < growth.max() < 1.25**2 + 0.02


def test_turns_and_leans_as_far_as_it_may() -> None:
    """A bar through the middle: the columns of its rows tell the angle."""
    bar = torch.zeros(2000, 1, 28, 28)
    bar[:, :, 4:24, 13:15] = 1
    for settings in ({"degrees": 20.0}, {"degrees": 0.0, "shear": 20.0}):
        moved = RandomAffine(**settings)(bar)[:, 0]
        columns = (moved * (torch.arange(28) - 13.5)).sum(2) / moved.sum(2).clamp(min=1e-6)
        degrees = torch.atan((columns[:, 18] - columns[:, 9]) / 9).rad2deg()
        assert 18 < degrees.max() < 22
        assert -22 < degrees.min() < -18


@pytest.mark.parametrize(
    "wrong",
    [
        {"translate": [0.1]},
        {"translate": [0.1, 2.0]},
        {"scale": [1.2, 0.8]},
        {"scale": [0, 1]},
        {"shear": [1, 2]},
        {"shear": 90.0},
    ],
)
def test_bounds_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"augment.{next(iter(wrong))}="):
        RandomAffine(**{"degrees": 10.0, **wrong})


@pytest.mark.parametrize("choice", ["affine", "elastic", "none"])
def test_choices_keep_shape_and_range(choice: str) -> None:
    augment = instantiate(config(f"augment={choice}").augment, _convert_="all")
    if augment is not None:
        moved = augment(torch.rand(8, 1, 28, 28))
        assert moved.shape == (8, 1, 28, 28)
        assert moved.dtype == torch.float32
        assert 0 <= moved.min() <= moved.max() <= 1 + 1e-5

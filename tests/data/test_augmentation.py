"""Random affine transforms: equal to Kornia's, drawn per image, within their ranges."""

from typing import Any

import kornia
import pytest
import torch
import torch.nn.functional as F

from digits.data.augmentation import RandomTransform, affine_matrices
from digits.errors import InputError

SETTINGS = {"degrees": 30.0, "translate": [0.2, 0.1], "scale": [0.7, 1.3], "shear": 15.0}
CENTERED = torch.arange(28) - 13.5  # coordinates of the pixels


def test_transforms_equal_those_of_kornia() -> None:
    pixels = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    reference = kornia.augmentation.RandomAffine(**SETTINGS, p=1.0)
    expected = reference(pixels)
    drawn = reference._params
    angle, shear = drawn["angle"].deg2rad(), drawn["shear_x"].deg2rad()
    matrices = affine_matrices(angle, drawn["scale"][:, 0], shear, *(drawn["translations"].T / 28))
    grid = F.affine_grid(matrices, list(pixels.shape), align_corners=False)
    assert torch.allclose(F.grid_sample(pixels, grid, align_corners=False), expected, atol=1e-4)


def test_empty_ranges_change_nothing() -> None:
    pixels = torch.rand(8, 1, 28, 28)
    assert torch.allclose(RandomTransform(degrees=0.0)(pixels), pixels, atol=1e-5)


def test_shifts_fill_their_range() -> None:
    dot = torch.zeros(2000, 1, 28, 28)
    dot[:, :, 13:15, 13:15] = 1
    shifted = RandomTransform(degrees=0.0, translate=[0.25, 0.125])(dot)[:, 0]
    for sums, limit in ((shifted.sum(1), 7.0), (shifted.sum(2), 3.5)):
        shifts = (sums * CENTERED).sum(1) / sums.sum(1)
        assert limit - 0.5 < shifts.max() <= limit + 0.01
        assert -limit - 0.01 <= shifts.min() < -limit + 0.5


def test_scales_fill_their_range() -> None:
    disc = ((CENTERED**2 + CENTERED[:, None] ** 2) < 36).float().expand(2000, 1, 28, 28)
    area = RandomTransform(degrees=180.0, scale=[0.8, 1.25])(disc).sum((1, 2, 3)) / disc[0].sum()
    assert 0.8**2 - 0.02 < area.min() < 0.68
    assert 1.48 < area.max() < 1.25**2 + 0.02


@pytest.mark.parametrize("settings", [{"degrees": 20.0}, {"degrees": 0.0, "shear": 20.0}])
def test_angles_fill_their_range(settings: dict[str, float]) -> None:
    """The angle of a vertical bar follows from its positions in two rows."""
    bar = torch.zeros(2000, 1, 28, 28)
    bar[:, :, 4:24, 13:15] = 1
    transformed = RandomTransform(**settings)(bar)[:, 0]
    positions = (transformed * CENTERED).sum(2) / transformed.sum(2).clamp(min=1e-6)
    degrees = torch.atan((positions[:, 18] - positions[:, 9]) / 9).rad2deg()
    assert 18 < degrees.max() < 22
    assert -22 < degrees.min() < -18


@pytest.mark.parametrize(("name", "value"), [
    ("translate", [0.1]), ("translate", [0.1, 2.0]), ("scale", [1.2, 0.8]), ("scale", [0, 1]),
    ("shear", [1, 2]), ("shear", 90.0),
])  # fmt: skip
def test_impossible_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"augment.{name}="):
        RandomTransform(**{"degrees": 10.0, name: value})

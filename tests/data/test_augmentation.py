"""Random transforms: drawn per image, within their ranges."""

import functools
import math
from typing import Any

import pytest
import torch

from digits.data.augmentation import RandomTransform, affine_matrices, erase_squares, smooth_noise
from digits.errors import InputError

CENTERED = torch.arange(28) - 13.5  # coordinates of the pixels


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_matrices_undo_a_shear_a_rotation_a_scale_and_a_shift() -> None:
    angle, scale, shear, x, y = 0.3, 1.2, 0.2, 0.1, -0.05
    steps = [
        [[1, -math.tan(shear), 0], [0, 1, 0], [0, 0, 1]],
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]],
        [[scale, 0, 0], [0, scale, 0], [0, 0, 1]],
        [[1, 0, 2 * x], [0, 1, 2 * y], [0, 0, 1]],
    ]
    forward = functools.reduce(lambda done, step: step @ done, map(torch.tensor, steps))
    arguments = (torch.tensor([value]) for value in (angle, scale, shear))
    matrices = affine_matrices(*arguments, shift=torch.tensor([[x, y]]))
    assert torch.allclose(matrices[0], torch.linalg.inv(forward)[:2], atol=1e-6)


def test_empty_ranges_change_nothing() -> None:
    pixels = torch.rand(8, 1, 28, 28)
    assert torch.allclose(RandomTransform()(pixels), pixels, atol=1e-5)


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


def test_elastic_displacements_have_their_size_and_smoothness() -> None:
    noise = smooth_noise(2000, 28, sigma=4.0, device=torch.device("cpu"))
    assert abs(noise.mean()) < 0.02
    assert torch.allclose(noise.std(0), torch.ones(28, 28, 2), atol=0.1)
    correlation = (noise[:, 5, 5] * noise[:, 5, 13]).mean()  # 8 pixels apart: exp(-8² / (4 · 4²))
    assert abs(correlation - math.exp(-1)) < 0.06


def test_elastic_distortion_moves_pixels_by_its_standard_deviation() -> None:
    dot = torch.zeros(2000, 1, 28, 28)
    dot[:, :, 13:15, 13:15] = 1
    moved = RandomTransform(elastic=1.5)(dot)[:, 0]
    for sums in (moved.sum(1), moved.sum(2)):
        assert abs(((sums * CENTERED).sum(1) / sums.sum(1)).std() - 1.5) < 0.25


def test_each_image_has_its_own_distortion() -> None:
    pixels = torch.rand(1, 1, 28, 28).expand(3, 1, 28, 28)
    for settings in ({"elastic": 1.0}, {"erasing": 1.0, "erasing_size": [4, 12]}):
        first, second, third = RandomTransform(**settings)(pixels)
        assert not torch.equal(first, second)
        assert not torch.equal(second, third)


def test_erased_squares_lie_inside_and_have_their_probability_and_sizes() -> None:
    erased = erase_squares(torch.ones(4000, 1, 28, 28), 0.25, (3, 6))[:, 0] == 0
    area = erased.sum((1, 2))
    assert abs((area > 0).float().mean() - 0.25) < 0.03
    assert area[area > 0].unique().tolist() == [9, 16, 25, 36]  # nothing is cut off at the border
    sides = erased[area > 0].any(2).sum(1)
    assert torch.equal(sides**2, area[area > 0])
    assert torch.allclose(sides.bincount()[3:] / len(sides), torch.tensor(0.25), atol=0.06)
    reached = erased.any(0)
    assert reached.any(0).all()
    assert reached.any(1).all()


def test_erasing_everything_leaves_black_images() -> None:
    assert not RandomTransform(erasing=1.0, erasing_size=[28, 28])(torch.ones(5, 1, 28, 28)).any()


def test_seed_reproduces_the_transforms() -> None:
    transform = RandomTransform(degrees=10.0, elastic=1.0, erasing=0.5)
    pixels = torch.rand(8, 1, 28, 28)
    results = []
    for _ in range(2):
        torch.manual_seed(1)
        results.append(transform(pixels))
    assert torch.equal(*results)


@pytest.mark.parametrize(("name", "value"), [
    ("translate", [0.1]), ("translate", [0.1, 2.0]), ("scale", [1.2, 0.8]), ("scale", [0, 1]),
    ("shear", [1, 2]), ("shear", 90.0), ("elastic", -1.0), ("elastic_sigma", 0.0), ("erasing", 1.5),
    ("erasing_size", [8, 40]), ("erasing_size", [9, 8]),
])  # fmt: skip
def test_impossible_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"augment.{name}="):
        RandomTransform(**{"degrees": 10.0, name: value})


def test_strength_narrows_the_transform_of_each_image() -> None:
    torch.manual_seed(0)
    pixels = torch.rand(3, 1, 28, 28)
    transform = RandomTransform(degrees=30.0, translate=(0.2, 0.2), scale=(0.5, 1.5), shear=20.0)
    changed = transform(pixels, torch.tensor([0.0, 0.05, 1.0]))
    differences = (changed - pixels).abs().flatten(1).mean(1)
    assert differences[0] < 1e-4
    assert differences[0] < differences[1] < differences[2]

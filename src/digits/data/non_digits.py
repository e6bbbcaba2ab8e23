"""Synthetic images without exactly one digit, for outlier exposure: a network learns to doubt them (D. Hendrycks et al.
2019, arXiv:1812.04606)."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from string import ascii_letters

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from digits.data.augmentation import RandomTransform, inverse_axes, rotated_coordinates, smooth_noise
from digits.data.handwriting import distance_to_segment
from digits.data.pictures.mnist_format import DIGIT_SIDE, MIN_INK, fit_and_center

NO_DIGIT = -1  # the label of an image without a digit
LETTERS = sorted(set(ascii_letters) - set("BDGIJLOQSTYZbgilojqstyz"))  # without those that resemble a digit
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "DejaVuSansMono",
    "STIXGeneralItalic",
    "STIXGeneral",
)
MAX_LINES = 8
MARGIN = 3  # pixels around lines


def make_non_digits(digits: Tensor, count: int) -> Tensor:
    """`count` images float32 [count, 1, 28, 28] in [0, 1]: equal shares of letters, lines, pairs of the digits
    [N, 1, 28, 28], limbs, and textures, and two shares of patches."""
    if not count:
        return digits[:0]
    kinds = (letters, lines, patches, pairs, limbs, textures, patches)
    images = []
    for kind, share in zip(kinds, torch.arange(count).tensor_split(len(kinds)), strict=True):
        if len(share):
            images.append(kind(digits.float(), len(share)))
    return torch.cat(images)


def letters(digits: Tensor, count: int) -> Tensor:
    """Printed letters, transformed."""
    images = letter_images(digits.device)
    chosen = torch.randint(len(images), (count,), device=digits.device)
    return _transform(images[chosen])


@cache
def letter_images(device: torch.device) -> Tensor:
    """Each letter in each font, float32 [L, 1, 28, 28], in MNIST's format."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    images = []
    for name in FONTS:
        font = ImageFont.truetype(folder / f"{name}.ttf", 80)
        for letter in LETTERS:
            picture = Image.new("L", (160, 160))
            ImageDraw.Draw(picture).text((80, 80), letter, 255, font, anchor="mm")
            images.append(fit_and_center(np.asarray(picture, dtype=np.float32) / 255))
    return torch.from_numpy(np.stack(images))[:, None].to(device).float() / 255


def lines(digits: Tensor, count: int) -> Tensor:
    """Straight lines: two fifths of the images have three to eight in any direction, two fifths have as many lines,
    parallel to the sides, as on ruled and squared paper, and a fifth has one or two that are nearly horizontal."""
    side, device = digits.shape[-1], digits.device
    kinds = torch.stack(
        [crossing_lines(count, side, device), parallel_lines(count, side, device), level_lines(count, side, device)]
    )
    kind = _random_index(count, (0.4, 0.4, 0.2), device)
    ends = kinds[kind, torch.arange(count, device=device)]
    many = torch.randint(3, MAX_LINES + 1, (count,), device=device)
    few = torch.where(torch.rand(count, device=device) < 1 / 6, 1, 2)
    number = torch.where(kind == 2, few, many)

    width = 1 + 2 * torch.rand(count, 1, 1, device=device)
    roughness = 2 * torch.rand(count, 1, 1, device=device).square()
    rough = roughness * stretched_noise(count, side, (0.8, 3.0), device)[:, 0]
    images = torch.zeros(count, side, side, device=device)
    for index in range(MAX_LINES):
        start, end = ends[:, index].unbind(1)
        line = (width / 2 + 0.5 + rough - distance_to_segment(side, start, end)).clamp(0, 1)
        images = torch.maximum(images, line * (index < number)[:, None, None])
    return images[:, None]


def crossing_lines(count: int, side: int, device: torch.device) -> Tensor:
    """The two ends (x, y) of lines in any direction, float32 [count, MAX_LINES, 2, 2]."""
    return MARGIN + (side - 2 * MARGIN) * torch.rand(count, MAX_LINES, 2, 2, device=device)


def parallel_lines(count: int, side: int, device: torch.device) -> Tensor:
    """The two ends (x, y) of lines from one side to the opposite one, float32 [count, MAX_LINES, 2, 2]."""
    place = MARGIN + (side - 2 * MARGIN) * torch.rand(count, MAX_LINES, device=device)
    first = torch.full_like(place, MARGIN)
    last = torch.full_like(place, side - 1 - MARGIN)
    horizontal = torch.stack([first, place, last, place], dim=2)
    vertical = torch.stack([place, first, place, last], dim=2)
    is_horizontal = torch.rand(count, MAX_LINES, 1, device=device) < 0.5
    coordinates = torch.where(is_horizontal, horizontal, vertical)
    ends: Tensor = coordinates.unflatten(2, (2, 2))
    return ends


def level_lines(count: int, side: int, device: torch.device) -> Tensor:
    """The two ends (x, y) of nearly horizontal lines, float32 [count, MAX_LINES, 2, 2]."""
    left = MARGIN + (side - 2 * MARGIN) * torch.rand(count, MAX_LINES, device=device)
    rise = (side - 2 * MARGIN) / 4 * (torch.rand(count, MAX_LINES, device=device) - 0.5)
    first = torch.full_like(left, MARGIN)
    last = torch.full_like(left, side - 1 - MARGIN)
    coordinates = torch.stack([first, left, last, left + rise], dim=2)
    ends: Tensor = coordinates.unflatten(2, (2, 2))
    return ends


def _random_index(count: int, probabilities: Sequence[float], device: torch.device) -> Tensor:
    """Indices int64 [count] of these probabilities, drawn without waiting for a GPU, unlike `multinomial`."""
    uniform = torch.rand(count, device=device)
    index = torch.zeros(count, dtype=torch.int64, device=device)
    for threshold in accumulate(probabilities[:-1]):
        index += uniform >= threshold
    return index


def limbs(digits: Tensor, count: int) -> Tensor:
    """A trunk with three to six limbs, in MNIST's format: stand-ins for hands, clothes, plants and figures."""
    side, device = digits.shape[-1], digits.device
    center = torch.full((count, 2), (side - 1) / 2, device=device)
    joint = center + 5 * (torch.rand(count, 2, device=device) - 0.5)  # of the limbs, at the end of the trunk
    trunk_radius = 2 + 3.5 * torch.rand(count, 1, 1, device=device)
    images = (trunk_radius + 0.5 - distance_to_segment(side, center, joint)).clamp(0, 1)

    number = torch.randint(3, 7, (count,), device=device)
    first_angle = 2 * torch.pi * torch.rand(count, device=device)
    spread = 2 * torch.pi * (0.25 + 0.75 * torch.rand(count, device=device))  # a hand spreads less than a figure
    radius = 0.8 + 2 * torch.rand(count, device=device)
    for index in range(6):
        position = index + 0.4 * (torch.rand(count, device=device) - 0.5)
        angle = first_angle + spread * position / number
        length = 7 + 7 * torch.rand(count, 1, device=device)
        end = joint + length * torch.stack([angle.cos(), angle.sin()], 1)
        limb_radius = radius * (0.5 + 0.5 * torch.rand(count, device=device))
        limb = (limb_radius[:, None, None] + 0.5 - distance_to_segment(side, joint, end)).clamp(0, 1)
        images = torch.maximum(images, limb * (index < number)[:, None, None])
    return fit(images[:, None])


def textures(digits: Tensor, count: int) -> Tensor:
    """Stripes and checks within a patch or a rectangle: cloth, fences, keyboards."""
    side, device = digits.shape[-1], digits.device
    across, along = rotated_coordinates(count, side, device)
    stripes, other_stripes = _waves(across), _waves(along)
    checks = stripes * other_stripes
    grid = torch.maximum(stripes, other_stripes)
    kind = _random_index(count, (0.4, 0.3, 0.3), device)
    waves = torch.stack([stripes, checks, grid])[kind, torch.arange(count, device=device)]
    sharpness = 1 + 5 * torch.rand(count, 1, 1, device=device)
    pattern = (waves * sharpness + 0.5).clamp(0, 1)[:, None]
    in_patch = torch.rand(count, 1, 1, 1, device=device) < 0.5
    return torch.where(in_patch, pattern * patches(digits, count), fit(crop(pattern)))


def _waves(position: Tensor) -> Tensor:
    """A sine of random wavelength and phase along a coordinate [N, H, W]."""
    wavelength = 2.5 + 7 * torch.rand(len(position), 1, 1, device=position.device)
    phase = 2 * torch.pi * torch.rand(len(position), 1, 1, device=position.device)
    return (2 * torch.pi * position / wavelength + phase).sin()


def crop(images: Tensor) -> Tensor:
    """Blackens each image outside of a random rectangle."""
    count, side, device = len(images), images.shape[-1], images.device
    position = torch.arange(side, device=device)
    start = torch.randint(2, 9, (2, count, 1), device=device)
    end = side - torch.randint(2, 9, (2, count, 1), device=device)
    rows, columns = (position >= start) & (position < end)
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    cropped: Tensor = images * inside
    return cropped


def patches(digits: Tensor, count: int) -> Tensor:
    """Irregular shapes, from smooth blobs to rough streaks and clouds, in MNIST's format."""
    side, device = digits.shape[-1], digits.device
    position = torch.linspace(-1, 1, side, device=device)
    from_center = torch.hypot(position, position[:, None])
    alone, roughness, threshold, sharpness, gray = torch.rand(5, count, 1, 1, 1, device=device)
    coarse = stretched_noise(count, side, (1.5, 8.0), device)
    fine = stretched_noise(count, side, (0.8, 2.0), device)
    texture = coarse + 0.8 * roughness * fine
    gaps = 1.5 * threshold
    vignette = 4 * alone**2 * from_center
    shapes = texture + 1 - gaps - vignette
    shapes = (shapes * (0.5 + 8 * sharpness**2)).clamp(0, 1)
    brightest = shapes.amax((2, 3), keepdim=True).clamp(min=0.1)
    return fit(shapes / brightest * (0.6 + 0.4 * gray))


def stretched_noise(count: int, side: int, sigma: tuple[float, float], device: torch.device) -> Tensor:
    """Smooth noise float32 [count, 1, side, side] whose `sigma` in pixels, from a range, differs along two axes. They
    are parallel to the sides in half of the images."""
    smallest, largest = sigma
    zoom = 1 / (smallest * (largest / smallest) ** torch.rand(count, 2, 1, device=device))
    angle = -torch.pi * torch.rand(count, device=device)
    angle = angle * (torch.rand(count, device=device) < 0.5)
    axes = inverse_axes(angle, scale=torch.ones_like(angle), shear=torch.zeros_like(angle))
    noise = smooth_noise(count, 2 * side, 2.0, device)[..., 0][:, None]
    matrices = F.pad(zoom * axes, (0, 1))  # no shift
    grid = F.affine_grid(matrices, [count, 1, side, side], align_corners=False)
    return F.grid_sample(noise, grid, padding_mode="reflection", align_corners=False)


def fit(images: Tensor) -> Tensor:
    """Scales the ink of each image [N, 1, 28, 28] into its middle 20×20, with the aspect ratio kept. Other than
    `fit_and_center` it handles a batch on its device, and centers the box of the ink."""
    side = images.shape[-1]
    position = torch.arange(side, device=images.device, dtype=images.dtype)
    inked = images[:, 0] > MIN_INK
    inked = torch.stack([inked.any(1), inked.any(2)], dim=1)  # columns, rows
    first = torch.where(inked, position, side - 1).amin(2)
    last = torch.where(inked, position, 0).amax(2)
    scale = (last - first + 1).amax(1).clamp(min=4) / DIGIT_SIDE
    center = (first + last + 1) / side - 1  # −1 to 1 across the image
    axes = torch.eye(2, device=images.device) * scale[:, None, None]
    matrices = torch.cat([axes, center[:, :, None]], dim=2)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def pairs(digits: Tensor, count: int) -> Tensor:
    """Two digits beside each other or, in a third of the images, on top of each other, scaled into 20×20."""
    device = digits.device
    first, second = digits[torch.randint(len(digits), (2, count), device=device)]
    columns = torch.cat([first[..., 4:24], second[..., 4:24]], dim=3)
    beside = F.interpolate(columns, size=(14, DIGIT_SIDE), mode="area")
    beside = F.pad(beside, (4, 4, 7, 7))
    rows = torch.cat([first[:, :, 3:25], second[:, :, 3:25]], dim=2)
    stacked = F.interpolate(rows, size=(DIGIT_SIDE, 14), mode="area")
    stacked = F.pad(stacked, (7, 7, 4, 4))
    is_stacked = torch.rand(count, 1, 1, 1, device=device) < 1 / 3
    images = torch.where(is_stacked, stacked, beside)
    return _transform((1.5 * images).clamp(max=1))


def _transform(images: Tensor) -> Tensor:
    """Transforms each image a little, as handwriting varies."""
    transform = RandomTransform(degrees=15.0, translate=(0.08, 0.08), scale=(0.85, 1.1), shear=12.0, elastic=0.5)
    transformed: Tensor = transform(images)
    return transformed

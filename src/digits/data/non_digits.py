"""Made images that show no digit, or several: a network learns to doubt them (D. Hendrycks et al. 2019,
arXiv:1812.04606, "outlier exposure")."""

from functools import cache
from pathlib import Path
from string import ascii_letters

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from digits.data.augmentation import RandomTransform, rotated_coordinates, smooth_noise
from digits.data.handwriting import distance_to_segment

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
transform = RandomTransform(degrees=15.0, translate=(0.08, 0.08), scale=(0.85, 1.1), shear=12.0, elastic=0.5)


def make_non_digits(digits: Tensor, count: int) -> Tensor:
    """`count` images float32 [count, 1, 28, 28] in [0, 1]: equal shares of letters, lines, pairs of the digits
    [N, 1, 28, 28], limbs, and textures, and two shares of patches."""
    if not count:
        return digits[:0]
    kinds = [letters, lines, patches, pairs, limbs, textures, patches]
    counts = [len(part) for part in torch.arange(count).tensor_split(len(kinds))]
    return torch.cat([kind(digits.float(), part) for kind, part in zip(kinds, counts, strict=True) if part])


def letters(digits: Tensor, count: int) -> Tensor:
    """Printed letters, transformed."""
    images = letter_images(digits.device)
    letters: Tensor = transform(images[torch.randint(len(images), (count,), device=digits.device)])
    return letters


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
            glyph = picture.crop(picture.getbbox())
            glyph.thumbnail((20, 20), Image.Resampling.BOX)
            square = Image.new("L", (28, 28))
            square.paste(glyph, ((28 - glyph.width) // 2, (28 - glyph.height) // 2))
            images.append(np.asarray(square, dtype=np.float32) / 255)
    return torch.from_numpy(np.stack(images))[:, None].to(device)


def lines(digits: Tensor, count: int) -> Tensor:
    """Three to eight straight lines, in half of the images parallel to the sides, as on ruled and squared paper. A
    fifth of the images has one or two lines, nearly horizontal."""
    side, device = digits.shape[-1], digits.device
    width = 1 + 2 * torch.rand(count, 1, 1, device=device)
    number = torch.randint(3, 9, (count,), device=device)
    straight = torch.rand(count, device=device) < 0.5
    few = torch.rand(count, device=device) < 0.2
    number = torch.where(few, number.clamp(max=4) - 2, number)
    rough = 2 * torch.rand(count, 1, 1, device=device).square() * stretched_noise(count, side, (0.8, 3.0), device)[:, 0]
    images = torch.zeros(count, side, side, device=device)
    for index in range(8):
        start, end = (3 + (side - 6) * torch.rand(2, count, 2, device=device)).unbind(0)
        horizontal = torch.rand(count, device=device) < 0.5
        along = torch.stack([horizontal, ~horizontal], 1)  # x or y
        ends = (torch.where(along, side_end, start) for side_end in (3.0, side - 4.0))
        start, end = (torch.where(straight[:, None], a, b) for a, b in zip(ends, (start, end), strict=True))
        left = torch.stack([torch.full_like(start[:, 1], 3.0), start[:, 1]], 1)
        right = left + torch.stack([torch.full_like(left[:, 0], side - 7.0), end[:, 1] / 4 - side / 8], 1)
        start, end = (torch.where(few[:, None], a, b) for a, b in ((left, start), (right, end)))
        line = (width / 2 + 0.5 + rough - distance_to_segment(side, start, end)).clamp(0, 1)
        images = torch.maximum(images, line * (index < number)[:, None, None])
    return images[:, None]


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
    wavelength = 2.5 + 7 * torch.rand(2, count, 1, 1, device=device)
    phase = 2 * torch.pi * torch.rand(2, count, 1, 1, device=device)
    stripes = (2 * torch.pi * across / wavelength[0] + phase[0]).sin()
    other_stripes = (2 * torch.pi * along / wavelength[1] + phase[1]).sin()
    kind = torch.rand(count, 1, 1, device=device)
    waves = torch.where(kind < 0.4, stripes, stripes * other_stripes)
    waves = torch.where(kind > 0.7, torch.maximum(stripes, other_stripes), waves)
    sharpness = 1 + 5 * torch.rand(count, 1, 1, device=device)
    pattern = (waves * sharpness + 0.5).clamp(0, 1)[:, None]
    in_patch = torch.rand(count, 1, 1, 1, device=device) < 0.5
    return torch.where(in_patch, pattern * patches(digits, count), fit(crop(pattern)))


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
    coarse, fine = (stretched_noise(count, side, sigma, device) for sigma in ((1.5, 8.0), (0.8, 2.0)))
    shapes = coarse + 0.8 * roughness * fine + 1 - 1.5 * threshold - 4 * alone**2 * from_center
    shapes = (shapes * (0.5 + 8 * sharpness**2)).clamp(0, 1)
    return fit(shapes / shapes.amax((2, 3), keepdim=True).clamp(min=0.1) * (0.6 + 0.4 * gray))


def stretched_noise(count: int, side: int, sigma: tuple[float, float], device: torch.device) -> Tensor:
    """Smooth noise float32 [count, 1, side, side] whose `sigma` in pixels, from a range, differs along two axes. They
    are parallel to the sides in half of the images."""
    smallest, largest = sigma
    zoom = 1 / (smallest * (largest / smallest) ** torch.rand(count, 2, 1, device=device))
    angle = torch.pi * torch.rand(count, device=device) * (torch.rand(count, device=device) < 0.5)
    axes = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(count, 2, 2)
    noise = smooth_noise(count, 2 * side, 2.0, device)[..., 0][:, None]
    grid = F.affine_grid(F.pad(zoom * axes, (0, 1)), [count, 1, side, side], align_corners=False)
    return F.grid_sample(noise, grid, padding_mode="reflection", align_corners=False)


def fit(images: Tensor) -> Tensor:
    """Scales the ink of each image [N, 1, 28, 28] into its middle 20×20, with the aspect ratio kept."""
    side = images.shape[-1]
    position = torch.arange(side, device=images.device, dtype=images.dtype)
    inked = torch.stack([(images[:, 0] > 0.2).any(axis) for axis in (1, 2)], 1)  # columns, rows
    first, last = torch.where(inked, position, side - 1).amin(2), torch.where(inked, position, 0).amax(2)
    scale = (last - first + 1).amax(1).clamp(min=4) / 20
    center = (first + last + 1) / side - 1
    theta = torch.cat([torch.eye(2, device=images.device) * scale[:, None, None], center[:, :, None]], 2)
    return F.grid_sample(images, F.affine_grid(theta, list(images.shape), align_corners=False), align_corners=False)


def pairs(digits: Tensor, count: int) -> Tensor:
    """Two digits beside each other or, in a third of the images, on top of each other, scaled into 20×20."""
    device = digits.device
    first, second = digits[torch.randint(len(digits), (2, count), device=device)]
    middle = first[:, :, :, 4:24], second[:, :, :, 4:24]
    beside = F.interpolate(torch.cat(middle, 3), size=(14, 20), mode="area")
    beside = F.pad(beside, (4, 4, 7, 7))
    middle = first[:, :, 3:25], second[:, :, 3:25]
    stacked = F.interpolate(torch.cat(middle, 2), size=(20, 14), mode="area")
    stacked = F.pad(stacked, (7, 7, 4, 4))
    images = torch.where(torch.rand(count, 1, 1, 1, device=device) < 1 / 3, stacked, beside)
    pairs: Tensor = transform((1.5 * images).clamp(max=1))
    return pairs

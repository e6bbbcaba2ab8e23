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

from digits.data.augmentation import RandomTransform, smooth_noise
from digits.data.handwriting import distance_to_segment

LETTERS = sorted(set(ascii_letters) - set("BDGIJLOQSTYZbgilojqstyz"))  # without those that resemble a digit
FONTS = ("DejaVuSans", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono", "STIXGeneralItalic")
transform = RandomTransform(degrees=15.0, translate=(0.08, 0.08), scale=(0.85, 1.1), shear=12.0, elastic=0.5)


def make_non_digits(digits: Tensor, count: int) -> Tensor:
    """`count` images float32 [count, 1, 28, 28] in [0, 1]: equal parts of letters, of lines, of textures, of blobs, and
    of pairs of the digits [N, 1, 28, 28]."""
    if not count:
        return digits[:0]
    kinds = [letters, lines, textures, blobs, pairs]
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
        line = (width / 2 + 0.5 - distance_to_segment(side, start, end)).clamp(0, 1)
        images = torch.maximum(images, line * (index < number)[:, None, None])
    return images[:, None]


def textures(digits: Tensor, count: int) -> Tensor:
    """Smooth noise, from gray clouds to spots with sharp edges."""
    side, device = digits.shape[-1], digits.device
    coarse, fine = (smooth_noise(count, side, sigma, device)[..., 0] for sigma in (4.0, 1.5))
    mix, threshold, sharpness, gray = torch.rand(4, count, 1, 1, device=device)
    noise = mix * coarse + (1 - mix) * fine
    images = (noise - threshold) * (0.3 + 5 * sharpness**2)
    grays: Tensor = images.clamp(0, 1) * (0.3 + 0.7 * gray)
    return grays[:, None]


def blobs(digits: Tensor, count: int) -> Tensor:
    """Filled shapes with an irregular outline in the middle of the image."""
    side, device = digits.shape[-1], digits.device
    noise = smooth_noise(count, side, 4.0, device)[..., 0]
    position = torch.arange(side, device=device) - (side - 1) / 2
    width, height, roughness, sharpness = torch.rand(4, count, 1, 1, device=device)
    distance = torch.hypot(position / (4 + 6 * width), position[:, None] / (4 + 6 * height))
    shapes: Tensor = ((1 - distance + (0.2 + 0.5 * roughness) * noise) * (1 + 6 * sharpness)).clamp(0, 1)
    return shapes[:, None]


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

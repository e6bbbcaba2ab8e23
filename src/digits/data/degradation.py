"""What scanners, cameras and file formats do to an image: hard edges, coarse pixels, gray paper, lines, noise.

Digits and images without a digit are degraded in the same way. Otherwise a network learns to tell them apart by the
texture of their edges."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.data.augmentation import rotated_coordinates, smooth_noise

SIDES = range(8, 23)  # pixels; below 8 many digits cannot be read
MODES = "nearest", "bilinear", "bicubic"


class Degradation(NamedTuple):
    """A change of pixels float32 [N, 1, H, W] in [0, 1], and its probability for each image."""

    change: Callable[[Tensor], Tensor]
    probability: float


def degrade(pixels: Tensor) -> Tensor:
    """Degrades each image of float32 [N, 1, H, W] in [0, 1] by a random choice of `DEGRADATIONS`, in their order. The
    shape, dtype and range stay the same."""
    for change, probability in DEGRADATIONS:
        changed = change(pixels).clamp(0, 1)
        pixels = torch.where(_chosen(pixels, probability), changed, pixels)
    return pixels


def blur(pixels: Tensor) -> Tensor:
    """Mixes each image with a blurred one, of a Gaussian with a standard deviation of 1.4 pixels."""
    position = torch.arange(-3, 4, device=pixels.device)
    weights = (-0.5 * (position / 1.4) ** 2).exp()
    weights = weights / weights.sum()
    kernel = (weights[:, None] * weights)[None, None]
    blurred = F.conv2d(pixels, kernel, padding=3)
    return pixels + _uniform(pixels, 0, 1) * (blurred - pixels)


def harden_edges(pixels: Tensor) -> Tensor:
    """Steeper edges; a half of the images has two tones, as after a threshold."""
    peak = pixels.amax((2, 3), keepdim=True)  # of a faint digit too: a threshold must not erase it
    level = _uniform(pixels, 0.15, 0.8) * peak
    slope = 1 / _uniform(pixels, 0.05, 1)
    slope = torch.where(_chosen(pixels, 0.5), 1000.0, slope)
    return (pixels - level) * slope + 0.5


def coarsen(pixels: Tensor) -> Tensor:
    """Reduces each image to 8 to 22 pixels a side, and enlarges it again by one of three interpolations."""
    full_side = pixels.shape[-1]
    order = torch.randperm(len(pixels), device=pixels.device)
    coarse = []
    # Equal shares of the batch have the same side: the shapes do not depend on the draws.
    for side, indices in zip(SIDES, order.tensor_split(len(SIDES)), strict=True):
        small = F.interpolate(pixels[indices], size=side, mode="area")
        for mode, images in zip(MODES, small.tensor_split(len(MODES)), strict=True):
            if len(images):
                coarse.append(F.interpolate(images, size=full_side, mode=mode))
    return torch.cat(coarse)[order.argsort()]


def add_line(pixels: Tensor) -> Tensor:
    """Draws a line across each image. Half of the lines are parallel to a side, as on ruled paper. Half are dashed, and
    half are zigzags."""
    count, side, device = len(pixels), pixels.shape[-1], pixels.device
    across, along = rotated_coordinates(count, side, device)
    offset, width, dash, phase, strength, dashed = torch.rand(6, count, 1, 1, device=device)
    period, amplitude, zigzag = torch.rand(3, count, 1, 1, device=device)
    wave = 4 * ((along / (5 + 8 * period) + phase) % 1 - 0.5).abs() - 1  # a triangle wave from -1 to 1
    swing = wave * (1 + 3 * amplitude) * (zigzag < 0.5)
    distance = (across + swing - side * 0.8 * (offset - 0.5)).abs()
    line = (0.8 + 0.7 * width - distance).clamp(0, 1)
    gaps = ((along / (3 + 5 * dash) + phase) % 1 < 0.5) & (dashed < 0.5)
    line = line * ~gaps * (0.3 + 0.7 * strength)
    return torch.maximum(pixels, line[:, None])


def change_side(pixels: Tensor) -> Tensor:
    """Changes one side of each image, or two opposite sides. The side is inverted, as where a digit crosses the edge of
    a dark area, or it is covered by one brightness, as the edge of a table does."""
    count, side, device = len(pixels), pixels.shape[-1], pixels.device
    across, _ = rotated_coordinates(count, side, device)
    distance = 3 + (side / 2 - 3) * torch.rand(count, 1, 1, device=device)  # from the center
    on_both_sides = torch.rand(count, 1, 1, device=device) < 0.5
    beyond = torch.where(on_both_sides, across.abs(), across) > distance
    # A side of one brightness hides a part of the digit: only a small one, or the digit cannot be read.
    is_covered = _chosen(pixels, 0.4) & (distance > 8)[:, None]
    side_pixels = torch.where(is_covered, _uniform(pixels, 0.3, 1), 1 - pixels)
    return torch.where(beyond[:, None], side_pixels, pixels)


def change_paper(pixels: Tensor) -> Tensor:
    """Gray paper and weaker ink: the darkest and the brightest value move together. In half of the images the paper is
    uneven, as under a shadow."""
    count, side, device = len(pixels), pixels.shape[-1], pixels.device
    field = smooth_noise(count, side, 8.0, device)[..., 0].sigmoid()[:, None]
    uneven = torch.where(_chosen(pixels, 0.5), field, 1.0)
    paper = _uniform(pixels, 0, 0.5) * uneven
    contrast = _uniform(pixels, 0.35, 1) * (1 - paper)
    return paper + contrast * pixels


def add_noise(pixels: Tensor) -> Tensor:
    """Normal noise with a standard deviation of up to a quarter of the range, for each pixel or each spot of about two
    pixels."""
    fine = torch.randn_like(pixels)
    coarse = smooth_noise(len(pixels), pixels.shape[-1], 2.0, pixels.device)[..., 0][:, None]
    noise = torch.where(_chosen(pixels, 0.7), fine, coarse)
    return pixels + _uniform(pixels, 0, 0.25) * noise


def add_specks(pixels: Tensor) -> Tensor:
    """Replaces up to a fifth of the pixels by black or white ("salt and pepper")."""
    speck = torch.rand_like(pixels) < _uniform(pixels, 0, 0.2)
    white = (torch.rand_like(pixels) < 0.5).to(pixels.dtype)
    return torch.where(speck, white, pixels)


def reduce_levels(pixels: Tensor) -> Tensor:
    """Rounds to 2 to 8 gray levels."""
    steps = torch.randint(1, 8, (len(pixels), 1, 1, 1), device=pixels.device)
    return (pixels * steps).round() / steps


def _uniform(pixels: Tensor, low: float, high: float) -> Tensor:
    """A number for each image, float32 [N, 1, 1, 1]."""
    return low + (high - low) * torch.rand(len(pixels), 1, 1, 1, device=pixels.device)


def _chosen(pixels: Tensor, probability: float) -> Tensor:
    """Images chosen with this probability, bool [N, 1, 1, 1]."""
    return torch.rand(len(pixels), 1, 1, 1, device=pixels.device) < probability


# Two tones may come before coarse pixels (a small scan, enlarged) and after them (a threshold of a blurred image).
DEGRADATIONS = (
    Degradation(blur, 0.15),
    Degradation(harden_edges, 0.25),
    Degradation(coarsen, 0.35),
    Degradation(harden_edges, 0.25),
    Degradation(add_line, 0.2),
    Degradation(change_side, 0.1),
    Degradation(change_paper, 0.25),
    Degradation(add_noise, 0.35),
    Degradation(add_specks, 0.1),
    Degradation(reduce_levels, 0.15),
)

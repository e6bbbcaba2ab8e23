"""Made writers: digits of MNIST as one hand with its own slant, strokes and pen would write them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from digits.data.handwriting import distance_to_segment, erode, stroke_point
from digits.data.pictures.mnist_format import fit_and_center
from digits.data.sources import Digits
from digits.models.layers import scale_images

CANVAS = 112  # pixels; the digits are drawn at twice their size, with room for the slant


@dataclass(frozen=True)
class Writer:
    """The habits of one hand. Lengths are fractions of the height of a digit, angles are in degrees."""

    slant: float
    """of the stems to the right, negative to the left"""
    aspect: float
    """width of the digits, 1 for that of MNIST"""
    upstroke: float
    """length of the upstroke of a 1"""
    upstroke_angle: float
    """between the upstroke and the stem"""
    base: float
    """half the length of the stroke under a 1, 0 for none"""
    bar: float
    """half the length of the bar of a 7"""
    thinning: float
    """of the strokes, from 0 to 1 for one pixel"""


def make_writer(seed: int) -> Writer:
    """A writer with a strong slant, a European 1 and 7, and a thin pen; the same for the same seed."""
    draw = _uniform(np.random.default_rng([1, seed]))
    side = 1 if draw(0, 1) < 0.75 else -1
    has_base = draw(0, 1) < 0.5
    return Writer(
        slant=side * draw(25, 40),
        aspect=draw(0.7, 1.15),
        upstroke=draw(0.6, 1.0),
        upstroke_angle=draw(30, 45),
        base=draw(0.15, 0.3) if has_base else 0.0,
        bar=draw(0.2, 0.35),
        thinning=draw(0.6, 1.0),
    )


def write(writer: Writer, digits: Digits, seed: int) -> Digits:
    """The digits, uint8 [N, 28, 28], as the writer would write them, with a little variation from one to the next."""
    generator = torch.Generator().manual_seed(seed)
    labels = digits.labels
    pixels = _enlarge(scale_images(digits.images))
    pixels = _draw_strokes(pixels, labels, writer, generator)
    thinner = erode(pixels)
    pixels = pixels + _vary(writer.thinning, 0.1, len(labels), generator)[:, None, None, None] * (thinner - pixels)
    pixels = _slant(pixels, writer, generator)
    images = [fit_and_center(image.numpy()) for image in pixels[:, 0].clamp(0, 1)]
    return Digits(torch.from_numpy(np.stack(images)), labels)


def _enlarge(pixels: Tensor) -> Tensor:
    """Float32 [N, 1, 28, 28] at twice the size, in the middle of the canvas."""
    larger = F.interpolate(pixels, scale_factor=2, mode="bicubic").clamp(0, 1)
    margin = (CANVAS - larger.shape[-1]) // 2
    return F.pad(larger, [margin] * 4)


def _draw_strokes(pixels: Tensor, labels: Tensor, writer: Writer, generator: torch.Generator) -> Tensor:
    """Adds the upstroke and the base of each 1, and the bar of each 7."""
    ink = pixels[:, 0]
    top, bottom, middle = (stroke_point(ink, position) for position in (0.0, 1.0, 0.5))
    count = len(pixels)
    stem = bottom - top
    height = stem[:, 1].clamp(min=1)
    width = (ink.sum((1, 2)) / height).clamp(3, 7)  # exact for a straight vertical stroke

    slant = torch.atan2(-stem[:, 0], height)
    angle = slant + torch.deg2rad(_vary(writer.upstroke_angle, 4, count, generator))
    length = height * _vary(writer.upstroke, 0.06, count, generator)
    upstroke = length[:, None] * torch.stack([-angle.sin(), angle.cos()], 1)
    pixels = _draw_line(pixels, labels == 1, width, top, top + upstroke)
    if writer.base > 0:
        across = _across(height * _vary(writer.base, 0.03, count, generator))
        pixels = _draw_line(pixels, labels == 1, width, bottom - across, bottom + across)
    across = _across(height * _vary(writer.bar, 0.03, count, generator))
    return _draw_line(pixels, labels == 7, torch.full_like(width, 5), middle - across, middle + across)


def _across(half: Tensor) -> Tensor:
    """From the middle to the right end of a level stroke, (x, y) [N, 2]."""
    return torch.stack([half, torch.zeros_like(half)], 1)


def _draw_line(pixels: Tensor, chosen: Tensor, width: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Draws a line of this width [N] into the chosen images [N]."""
    distance = distance_to_segment(pixels.shape[-1], start, end)
    line = (width[:, None, None] / 2 + 0.5 - distance).clamp(0, 1) * chosen[:, None, None]
    return torch.maximum(pixels, line[:, None])


def _slant(pixels: Tensor, writer: Writer, generator: torch.Generator) -> Tensor:
    """Shears and narrows the images."""
    count = len(pixels)
    shear = torch.deg2rad(_vary(writer.slant, 3, count, generator)).tan()
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = 1 / _vary(writer.aspect, 0.04, count, generator)
    matrix[:, 0, 1] = shear * matrix[:, 0, 0]
    matrix[:, 1, 1] = 1
    grid = F.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False)


def _vary(mean: float, spread: float, count: int, generator: torch.Generator) -> Tensor:
    """A habit in each of N digits: normally distributed, float32 [N]."""
    return mean + spread * torch.randn(count, generator=generator)


def _uniform(generator: np.random.Generator) -> Callable[[float, float], float]:
    return lambda low, high: float(generator.uniform(low, high))

"""Variations of handwriting that MNIST lacks, drawn on its digits in whole batches, on their device."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digits.data.augmentation import RandomTransform, check_number, smooth_noise
from digits.data.degradation import degrade

PLAIN_STRENGTH = 0.6  # of the ranges of the transform, for images that are not degraded


class RandomHandwriting(nn.Module):
    """Changes strokes and ink, transforms each image as `RandomTransform` does, and degrades it.

    Strokes, with probability `strokes` for each digit: a 1 gets an upstroke and sometimes a base, a 7 a bar, a 9 a
    curled foot. MNIST's American writers rarely draw them.

    Ink, each change with probability `ink` for each image: wider or narrower strokes, fading ink, gaps. With a fifth of
    this probability: lines of one width, and outlines.

    Degradation, with probability `degradation` for each image: `digits.data.degradation`. Only the degraded images are
    transformed over the full ranges, since digits in MNIST's format have one size and lie in the center."""

    needs_labels = True

    def __init__(self, *, strokes: float = 0.4, ink: float = 0.2, degradation: float = 0.4, **transform: Any) -> None:
        super().__init__()
        self.transform = RandomTransform(**transform)
        self.strokes = check_number("strokes", strokes, 0, 1)
        self.ink = check_number("ink", ink, 0, 1)
        self.degradation = check_number("degradation", degradation, 0, 1)

    def forward(self, pixels: Tensor, labels: Tensor | None = None) -> Tensor:
        """Float32 [N, 1, 28, 28] in [0, 1] and labels int64 [N], −1 for no digit, to pixels of the same shape and
        dtype. Without labels no strokes are added."""
        if labels is not None:
            pixels = draw_strokes(pixels, labels, self.strokes)
        for change, probability in (
            (draw_outline, 0.2 * self.ink),
            (redraw_lines, 0.2 * self.ink),
            (change_width, self.ink),
            (fade, self.ink),
            (cut_gaps, self.ink),
        ):
            chosen = torch.rand(len(pixels), 1, 1, 1, device=pixels.device) < probability
            pixels = torch.where(chosen, change(pixels), pixels)
        degraded = torch.rand(len(pixels), device=pixels.device) < self.degradation
        transformed: Tensor = self.transform(pixels, torch.where(degraded, 1.0, PLAIN_STRENGTH))
        return torch.where(degraded[:, None, None, None], degrade(transformed), transformed)


def draw_strokes(pixels: Tensor, labels: Tensor, probability: float) -> Tensor:
    """Adds the strokes of `RandomHandwriting` to 1, 7 and 9."""
    count, device = len(pixels), pixels.device
    ink = pixels[:, 0]
    top, bottom, middle = (stroke_point(ink, position) for position in (0.0, 1.0, 0.55))
    height = bottom[:, 1] - top[:, 1]
    uniform = torch.rand(9, count, device=device)
    chosen = uniform[0] < probability
    width = (ink.sum((1, 2)) / height.clamp(min=1)).clamp(1.5, 4.0)  # exact for a straight vertical stroke
    width = torch.where(labels == 1, width, 2 + 1.5 * uniform[1])

    slant = torch.atan2((top - bottom)[:, 0], height).clamp(min=0)  # of the stem, from the vertical
    angle = (slant + torch.deg2rad(20 + 30 * uniform[2])).clamp(max=1.2)  # more would be a 7
    upstroke = (0.2 + 0.5 * uniform[3]) * height
    end = top + upstroke[:, None] * torch.stack([-angle.sin(), angle.cos()], 1)
    pixels = _draw(pixels, chosen & (labels == 1), width, top, end)

    half = (0.12 + 0.2 * uniform[4]) * height
    across = half[:, None] * torch.stack([torch.ones_like(half), 0.4 * (uniform[5] - 0.5)], 1)
    has_base = chosen & (labels == 1) & (uniform[6] < 0.4)
    pixels = _draw(pixels, has_base, width, bottom - across, bottom + across)
    pixels = _draw(pixels, chosen & (labels == 7), width, middle - across, middle + across)

    reach = (0.2 + 0.3 * uniform[7]) * height
    steps = (-0.5, 0.12), (-1.0, 0.0), (-1.25, -0.3)
    points = [bottom + torch.stack([x * reach, y * reach], 1) for x, y in steps]
    for start, end in zip([bottom, *points[:2]], points, strict=True):
        pixels = _draw(pixels, chosen & (labels == 9), width, start, end)
    return pixels


def stroke_point(ink: Tensor, position: float) -> Tensor:
    """A point (x, y) float32 [N, 2] on the strokes [N, H, W], at this fraction of their height."""
    rows = torch.arange(ink.shape[1], device=ink.device, dtype=ink.dtype)
    inked = ink.amax(2) > 0.4
    top = torch.where(inked, rows, ink.shape[1]).amin(1).clamp(max=ink.shape[1] - 1)
    bottom = torch.where(inked, rows, 0).amax(1)
    y = top + position * (bottom - top)
    weight = ink * (1.2 - (rows - y[:, None]).abs()).clamp(min=0)[:, :, None]
    x = (weight.sum(1) * rows).sum(1) / weight.sum((1, 2)).clamp(min=1e-3)
    return torch.stack([x, y], 1)


def _draw(pixels: Tensor, chosen: Tensor, width: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Draws an anti-aliased line of this width [N] from `start` to `end` [N, 2] into the chosen images."""
    distance = distance_to_segment(pixels.shape[-1], start, end)
    line = (width[:, None, None] / 2 + 0.5 - distance).clamp(0, 1) * chosen[:, None, None]
    return torch.maximum(pixels, line[:, None])


def distance_to_segment(side: int, start: Tensor, end: Tensor) -> Tensor:
    """The distance of each pixel to a segment, float32 [N, side, side]; `start` and `end` are (x, y) [N, 2]."""
    position = torch.arange(side, device=start.device, dtype=start.dtype)
    x, y = position[None, None, :] - start[:, 0, None, None], position[None, :, None] - start[:, 1, None, None]
    dx, dy = (end - start)[:, :, None, None].unbind(1)
    along = ((x * dx + y * dy) / (dx**2 + dy**2).clamp(min=1e-6)).clamp(0, 1)
    return torch.hypot(x - along * dx, y - along * dy)


def draw_outline(pixels: Tensor) -> Tensor:
    """The outline of the strokes, as an edge detector finds it."""
    return dilate(pixels) - erode(pixels)


def redraw_lines(pixels: Tensor) -> Tensor:
    """The center lines of the strokes, widened by up to two pixels: a pen of one width. The center lines are the soft
    skeleton of S. Shit et al. 2021, arXiv:2003.07311."""
    lines = torch.zeros_like(pixels)
    eroded = pixels
    for _ in range(4):  # half of the widest strokes
        smaller = erode(eroded)
        ridge = (eroded - dilate(smaller)).clamp(min=0)
        lines = lines + ridge * (1 - lines)
        eroded = smaller
    lines = (1.5 * lines).clamp(max=1)
    width = torch.rand(len(pixels), 1, 1, 1, device=pixels.device)
    return lines + width * (dilate(lines) - lines)


def change_width(pixels: Tensor) -> Tensor:
    """Wider by up to two pixels, or narrower by up to one."""
    amount = torch.rand(len(pixels), 1, 1, 1, device=pixels.device) * 1.6 - 0.6
    wider, narrower = dilate(pixels) - pixels, erode(pixels) - pixels
    return pixels + amount.clamp(min=0) * wider + (-amount).clamp(min=0) * narrower


def dilate(pixels: Tensor) -> Tensor:
    """The maximum over the 3×3 neighbors of each pixel of [N, 1, H, W]. On a CPU, `max_pool2d` of one channel takes ten
    times as long."""
    padded = F.pad(pixels, (1, 1, 1, 1), mode="replicate")
    rows = torch.maximum(torch.maximum(padded[:, :, :-2], padded[:, :, 1:-1]), padded[:, :, 2:])
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


def erode(pixels: Tensor) -> Tensor:
    """The minimum over the 3×3 neighbors of each pixel of [N, 1, H, W]."""
    return -dilate(-pixels)


def fade(pixels: Tensor) -> Tensor:
    """Parts of the strokes become as faint as a fifth."""
    field = smooth_noise(len(pixels), pixels.shape[-1], 5.0, pixels.device)[..., 0]
    strength = 0.8 * torch.rand(len(pixels), 1, 1, device=pixels.device)
    return pixels * (1 - strength * (2 * field).sigmoid())[:, None]


def cut_gaps(pixels: Tensor) -> Tensor:
    """Cuts the strokes along a random line of 1.5 to 3.5 pixels."""
    count, side, device = len(pixels), pixels.shape[-1], pixels.device
    center = side * (0.25 + 0.5 * torch.rand(count, 2, device=device))
    angle = torch.pi * torch.rand(count, device=device)
    along = side * torch.stack([angle.cos(), angle.sin()], 1)
    width = 1.5 + 2 * torch.rand(count, 1, 1, device=device)
    gap = (width / 2 + 0.5 - distance_to_segment(side, center - along, center + along)).clamp(0, 1)
    return pixels * (1 - gap[:, None])

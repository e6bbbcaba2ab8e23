"""Variations of handwriting that MNIST lacks, drawn on its digits in whole batches, on their device."""

from dataclasses import dataclass
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
        changes = (
            (draw_outline, 0.2 * self.ink),
            (redraw_lines, 0.2 * self.ink),
            (change_width, self.ink),
            (fade, self.ink),
            (cut_gaps, self.ink),
        )
        for change, probability in changes:
            chosen = torch.rand(len(pixels), 1, 1, 1, device=pixels.device) < probability
            pixels = torch.where(chosen, change(pixels), pixels)
        degraded = torch.rand(len(pixels), device=pixels.device) < self.degradation
        transformed: Tensor = self.transform(pixels, torch.where(degraded, 1.0, PLAIN_STRENGTH))
        return torch.where(degraded[:, None, None, None], degrade(transformed), transformed)


@dataclass(frozen=True)
class StrokeEnds:
    """Where the strokes of N digits begin and end."""

    top: Tensor
    bottom: Tensor
    """points (x, y) [N, 2] on the strokes"""
    height: Tensor
    """[N]"""


def draw_strokes(pixels: Tensor, labels: Tensor, probability: float) -> Tensor:
    """Adds the strokes of `RandomHandwriting` to 1, 7 and 9."""
    ink = pixels[:, 0]
    top, bottom = stroke_point(ink, 0.0), stroke_point(ink, 1.0)
    ends = StrokeEnds(top, bottom, height=(bottom - top)[:, 1])
    middle = stroke_point(ink, 0.55)
    stem_width = ink.sum((1, 2)) / ends.height.clamp(min=1)  # exact for a straight vertical stroke
    stem_width = stem_width.clamp(1.5, 4.0)

    chosen = _uniform(labels, 0, 1) < probability
    pixels = add_upstroke(pixels, chosen & (labels == 1), ends, stem_width)
    pixels = add_base(pixels, chosen & (labels == 1), ends, stem_width)
    pixels = add_bar(pixels, chosen & (labels == 7), ends, middle)
    return add_foot(pixels, chosen & (labels == 9), ends)


def add_upstroke(pixels: Tensor, chosen: Tensor, ends: StrokeEnds, width: Tensor) -> Tensor:
    """Draws a stroke of this width [N] from the top of a 1 down to the left. `chosen` bool [N] are the images."""
    # The slant of the stem, from the vertical.
    slant = torch.atan2((ends.top - ends.bottom)[:, 0], ends.height).clamp(min=0)
    angle = slant + torch.deg2rad(_uniform(chosen, 20, 50))
    angle = angle.clamp(max=1.2)  # more would be a 7
    length = _uniform(chosen, 0.2, 0.7) * ends.height
    direction = torch.stack([-angle.sin(), angle.cos()], dim=1)
    return _draw(pixels, chosen, width, ends.top, ends.top + length[:, None] * direction)


def add_base(pixels: Tensor, chosen: Tensor, ends: StrokeEnds, width: Tensor) -> Tensor:
    """Draws a stroke of this width [N] under two fifths of the chosen 1."""
    chosen = chosen & (_uniform(chosen, 0, 1) < 0.4)
    across = _half_crossbar(ends.height)
    return _draw(pixels, chosen, width, ends.bottom - across, ends.bottom + across)


def add_bar(pixels: Tensor, chosen: Tensor, ends: StrokeEnds, middle: Tensor) -> Tensor:
    """Draws a stroke across the stem of a 7, through `middle` [N, 2]."""
    across = _half_crossbar(ends.height)
    return _draw(pixels, chosen, _pen_width(chosen), middle - across, middle + across)


def add_foot(pixels: Tensor, chosen: Tensor, ends: StrokeEnds) -> Tensor:
    """Draws a curl from the bottom of a 9 to the left and up, as three lines."""
    width = _pen_width(chosen)
    reach = _uniform(chosen, 0.2, 0.5) * ends.height
    start = ends.bottom
    for x, y in ((-0.5, 0.12), (-1.0, 0.0), (-1.25, -0.3)):
        end = ends.bottom + torch.stack([x * reach, y * reach], dim=1)
        pixels = _draw(pixels, chosen, width, start, end)
        start = end
    return pixels


def _half_crossbar(height: Tensor) -> Tensor:
    """From the middle to the right end of a nearly horizontal stroke, (x, y) [N, 2]."""
    half = _uniform(height, 0.12, 0.32) * height
    return torch.stack([half, _uniform(height, -0.2, 0.2) * half], dim=1)


def _pen_width(images: Tensor) -> Tensor:
    return _uniform(images, 2, 3.5)


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    """A random number for each of N images, float32 [N]."""
    return low + (high - low) * torch.rand(len(images), device=images.device)


def stroke_point(ink: Tensor, position: float) -> Tensor:
    """A point (x, y) float32 [N, 2] on the strokes [N, H, W], at this fraction of their height."""
    rows = torch.arange(ink.shape[1], device=ink.device, dtype=ink.dtype)
    inked = ink.amax(2) > 0.4
    top = torch.where(inked, rows, ink.shape[1]).amin(1).clamp(max=ink.shape[1] - 1)
    bottom = torch.where(inked, rows, 0).amax(1)
    y = top + position * (bottom - top)
    is_near = (1.2 - (rows - y[:, None]).abs()).clamp(min=0)  # the rows beside y, as a weight
    weight = ink * is_near[:, :, None]
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
    x = position[None, None, :] - start[:, 0, None, None]
    y = position[None, :, None] - start[:, 1, None, None]
    dx, dy = (end - start)[:, :, None, None].unbind(1)
    nearest = (x * dx + y * dy) / (dx**2 + dy**2).clamp(min=1e-6)
    nearest = nearest.clamp(0, 1)  # the point of the segment: 0 is its start, 1 its end
    return torch.hypot(x - nearest * dx, y - nearest * dy)


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
    wider = amount.clamp(min=0) * (dilate(pixels) - pixels)
    narrower = (-amount).clamp(min=0) * (erode(pixels) - pixels)
    return pixels + wider + narrower


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

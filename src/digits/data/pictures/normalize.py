"""Hypotheses about a picture of any kind, each a digit in MNIST's format: white ink on black, scaled into 20×20 with
its aspect ratio kept, anti-aliased, its center of mass in the center of 28×28 (Y. LeCun et al. 1998, section III.A)."""

from collections.abc import Iterator
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from digits.data.pictures.segment import (
    WORKING_SIZES,
    Array,
    Strokes,
    bounding_box,
    find_strokes,
    longer_side,
    stroke_width,
)
from digits.errors import InputError

MIN_SIDE = 8  # pixels
LARGE = 1 << 22  # pixels; a larger picture is reduced before anything else
CROP_SIZE = 120  # pixels of the longer side of a digit with its margin, while its strokes are measured
LOW_CONTRAST = 0.15  # in brightness; below it the color channels are tried
MIN_GRAY_LEVELS = 5  # of soft edges; one of 10,000 of MNIST's digits has fewer
STROKE_WIDTH_RANGE = (1.6, 4.6)  # pixels in 28×28; 98 % of MNIST's digits have strokes of 1.4 to 4.5


class Hypothesis(NamedTuple):
    """A candidate for the content of a picture: one digit or several."""

    description: str
    digits: Array  # uint8 [K, 28, 28]
    dark: bool = True  # darker than their background
    apart: bool = False  # several digits that lie apart, not parts of strokes that may also be one digit


def hypotheses(picture: Image.Image) -> list[Hypothesis]:
    """The hypotheses about a picture of any size, mode, orientation and polarity, the simplest first.

    Raises InputError if it is smaller than 8×8 pixels, or blank.
    """
    return oriented_hypotheses(orient(picture))


def orient(picture: Image.Image) -> Image.Image:
    """An upright, opaque picture of mode L or RGB. May decode a JPEG file at reduced size, if it is not yet decoded."""
    picture.draft("RGB", (4 * WORKING_SIZES[1], 4 * WORKING_SIZES[1]))
    picture = _reduce(ImageOps.exif_transpose(picture))
    if picture.mode.startswith(("I", "F")):
        picture = _stretch_range(np.asarray(picture, dtype=np.float64))
    if picture.has_transparency_data:
        picture = _composite_alpha(picture.convert("RGBA"))
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _reduce(picture: Image.Image) -> Image.Image:
    """Averages blocks of pixels of a large picture."""
    factor = ceil(sqrt(picture.width * picture.height / LARGE))
    if factor == 1:
        return picture
    if picture.mode.startswith("I;16"):
        picture = picture.convert("I")
    elif picture.mode not in ("L", "LA", "RGB", "RGBA", "I", "F"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return picture.reduce(factor)


def _stretch_range(values: Array) -> Image.Image:
    """Brightness of any range to mode L. Pixels that are not finite become the darkest or the brightest."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return Image.fromarray(((values - low) / max(high - low, 1e-6) * 255).astype(np.uint8))


def _composite_alpha(picture: Image.Image) -> Image.Image:
    """Composites RGBA onto its median color if it is mostly opaque, else onto white or black, whichever contrasts."""
    values = np.asarray(picture)
    opaque = values[..., 3] > 127
    colors = values[opaque][:, :3] if opaque.any() else np.zeros((1, 3))
    if opaque.mean() > 0.5:
        background = tuple(int(value) for value in np.median(colors, axis=0))
    else:
        background = (0, 0, 0) if colors.mean() > 127 else (255, 255, 255)
    return Image.alpha_composite(Image.new("RGBA", picture.size, (*background, 255)), picture)


def oriented_hypotheses(picture: Image.Image) -> list[Hypothesis]:
    """`hypotheses` for a picture that `orient` returned."""
    if min(picture.size) < MIN_SIDE:
        raise InputError(f"is {picture.width}×{picture.height}; at least {MIN_SIDE}×{MIN_SIDE} pixels are needed")
    gray = picture.convert("L")
    if gray.size == (28, 28):
        pixels = np.asarray(gray, dtype=np.float32) / 255
        for candidate in (pixels, 1 - pixels):
            if _is_mnist_format(candidate):
                return [Hypothesis("MNIST's format", (candidate * 255).round().astype(np.uint8)[None])]
    found = find_strokes(gray)
    if picture.mode == "RGB" and max((strokes.contrast for strokes in found), default=0) < LOW_CONTRAST:
        # Yellow ink on white paper, for example, has contrast only in the blue channel.
        found += [strokes for channel in picture.split() for strokes in find_strokes(channel)]
    if not found:
        raise InputError("is blank: nothing like a digit found")
    return [hypothesis for strokes in found for hypothesis in _normalize(strokes)]


def _normalize(strokes: Strokes) -> Iterator[Hypothesis]:
    """One digit; if there are others, all of them; if the strokes have several large parts, these parts."""
    choices = [([strokes.mask], False), ([strokes.mask, *strokes.others], True), (strokes.parts, False)]
    for index, (masks, apart) in enumerate(choices):
        if index == 0 or len(masks) > 1:
            digits = [fit_and_center(_normalize_stroke_width(strokes.ink, mask)) for mask in masks]
            yield Hypothesis(str(strokes.recipe), np.stack(digits), strokes.recipe.dark, apart)


def _is_mnist_format(pixels: Array) -> bool:
    """Whether pixels float32 [28, 28] in [0, 1] need no change: black corners, soft edges, the size of MNIST's digits,
    and their center of mass."""
    inked = pixels > 0
    if not inked.any() or inked[[0, 0, -1, -1], [0, -1, 0, -1]].any():
        return False
    if len(np.unique(pixels)) < MIN_GRAY_LEVELS:
        return False
    centered = all(abs(center - 14) < 0.75 for center in ndimage.center_of_mass(pixels))
    return centered and longer_side(bounding_box(inked)) in (19, 20)


def _normalize_stroke_width(ink: Array, mask: Array) -> Array:
    """The ink of one digit alone, float32 [h, w] in [0, 1], with strokes in MNIST's range of widths."""
    box = bounding_box(mask)
    margin = round(0.15 * longer_side(box)) + 2
    rows, columns = (slice(side.start, side.stop + 2 * margin) for side in box)
    ink, mask = (np.pad(values, margin)[rows, columns] for values in (ink, mask))
    ink, mask = _reduce_crop(ink), _reduce_crop(mask.astype(np.float32)) > 0.5
    size = longer_side(bounding_box(mask)) if mask.any() else 1
    pixel = size / 20  # a pixel of the result
    width = stroke_width(mask) / pixel
    thinnest, thickest = STROKE_WIDTH_RANGE
    if width < thinnest:
        values = (thinnest + 0.6 - width) / 2 * pixel + 0.5 - ndimage.distance_transform_edt(~mask)
    elif width > thickest:
        values = ndimage.distance_transform_edt(mask) - (width - thickest) / 2 * pixel
    else:
        near = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=max(1, round(0.6 * pixel)))
        values = ink / np.percentile(ink[mask], 75) * near
    result: Array = np.clip(values, 0, 1, dtype=np.float32)
    return result


def _reduce_crop(values: Array) -> Array:
    """Brightness float32 [h, w], with at most `CROP_SIZE` pixels a side."""
    picture = Image.fromarray(values)
    picture.thumbnail((CROP_SIZE, CROP_SIZE), Image.Resampling.BOX)
    return np.asarray(picture)


def fit_and_center(digit: Array) -> Array:
    """Scales the digit into 20×20 and moves its center of mass to the center of uint8 [28, 28]."""
    inked = digit > 0.2
    if not inked.any():
        return np.zeros((28, 28), dtype=np.uint8)
    digit = digit[bounding_box(inked)]
    height, width = digit.shape
    scale = 20 / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(digit).resize(size, Image.Resampling.BILINEAR))
    small = np.clip(small / max(np.percentile(small[small > 0.2], 90), 0.3), 0, 1)
    corner = [round(14 - center) for center in ndimage.center_of_mass(small)]
    top, left = (min(max(start, 0), 28 - side) for start, side in zip(corner, small.shape, strict=True))
    pixels = np.zeros((28, 28), dtype=np.uint8)
    pixels[top : top + small.shape[0], left : left + small.shape[1]] = (small * 255).round()
    return pixels

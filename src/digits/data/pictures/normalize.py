"""Hypotheses about a picture of any kind, each a digit or several in MNIST's format, with strokes of a usual width."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from digits.data.pictures.masks import (
    WHOLE_PICTURE,
    Array,
    RelativeBox,
    bounding_box,
    longer_side,
    relative_box,
    stroke_width,
)
from digits.data.pictures.mnist_format import DIGIT_SIDE, SIDE, fit_and_center, is_mnist_format
from digits.data.pictures.segment import Strokes, find_strokes
from digits.errors import InputError

MIN_SIDE = 8  # pixels
CROP_SIZE = 120  # pixels of the longer side of a digit with its margin, while its strokes are measured
LOW_CONTRAST = 0.15  # in brightness; below it the color channels are tried
STROKE_WIDTH_RANGE = (1.6, 4.6)  # pixels in 28×28; 98 % of MNIST's digits have strokes of 1.4 to 4.5


class Hypothesis(NamedTuple):
    """A candidate for the content of a picture: one digit or several."""

    description: str
    digits: Array  # uint8 [K, 28, 28]
    dark: bool = True  # darker than their background
    apart: bool = False  # several digits that lie apart, not parts of strokes that may also be one digit
    box: RelativeBox = WHOLE_PICTURE  # around the strokes with the most ink


class BlankPictureError(InputError):
    """Raised for a picture without anything that may be a stroke."""


def oriented_hypotheses(picture: Image.Image) -> list[Hypothesis]:
    """The hypotheses about a picture of any size that `orient` returned, the simplest first.

    Raises InputError if it is smaller than 8×8 pixels, or blank."""
    if min(picture.size) < MIN_SIDE:
        raise InputError(f"is {picture.width}×{picture.height}; at least {MIN_SIDE}×{MIN_SIDE} pixels are needed")
    gray = picture.convert("L")
    digit = _read_mnist_format(gray)
    if digit is not None:
        box = relative_box(bounding_box(digit > 0), digit.shape)
        return [Hypothesis("MNIST's format", digit[None], box=box)]

    found = find_strokes(gray)
    contrast = max((strokes.contrast for strokes in found), default=0)
    if picture.mode == "RGB" and contrast < LOW_CONTRAST:
        # Yellow ink on white paper, for example, has contrast only in the blue channel.
        for channel in picture.split():
            found += find_strokes(channel)
    if not found:
        raise BlankPictureError("is blank: nothing like a digit found")
    return [hypothesis for strokes in found for hypothesis in _interpret(strokes)]


def _read_mnist_format(gray: Image.Image) -> Array | None:
    """The digit uint8 [28, 28] of a picture in MNIST's format, or of its negative; None for another picture."""
    if gray.size != (SIDE, SIDE):
        return None
    pixels = np.asarray(gray, dtype=np.float32) / 255
    for candidate in (pixels, 1 - pixels):
        if is_mnist_format(candidate):
            return (candidate * 255).round().astype(np.uint8)
    return None


def _interpret(strokes: Strokes) -> list[Hypothesis]:
    """One digit; if there are others, all of them; if the strokes have several large parts, these parts."""
    found = [_normalize(strokes, [strokes.mask])]
    if strokes.others:
        found.append(_normalize(strokes, [strokes.mask, *strokes.others], apart=True))
    if len(strokes.parts) > 1:
        found.append(_normalize(strokes, strokes.parts))
    return found


def _normalize(strokes: Strokes, masks: Sequence[Array], apart: bool = False) -> Hypothesis:
    """The digits of these masks bool [H, W]."""
    digits = [normalize_digit(strokes.ink, mask) for mask in masks]
    segmentation = strokes.segmentation
    return Hypothesis(str(segmentation), np.stack(digits), segmentation.dark, apart, strokes.relative_box)


def normalize_digit(ink: Array, mask: Array) -> Array:
    """The digit of a mask bool [H, W], in MNIST's format: uint8 [28, 28]. `ink` is float32 [H, W] in [0, 1]."""
    return fit_and_center(_normalize_stroke_width(ink, mask))


def _normalize_stroke_width(ink: Array, mask: Array) -> Array:
    """The ink of one digit alone, float32 [h, w] in [0, 1], with strokes in MNIST's range of widths."""
    ink, mask = _crop(ink, mask)
    size = longer_side(bounding_box(mask)) if mask.any() else 1
    pixel = size / DIGIT_SIDE  # a pixel of the result
    width = stroke_width(mask) / pixel
    thinnest, thickest = STROKE_WIDTH_RANGE
    if width < thinnest:
        missing = (thinnest + 0.6 - width) / 2 * pixel  # on each side of the stroke
        values = missing + 0.5 - ndimage.distance_transform_edt(~mask)
    elif width > thickest:
        excess = (width - thickest) / 2 * pixel
        values = ndimage.distance_transform_edt(mask) - excess
    else:
        soft_edge = max(1, round(0.6 * pixel))
        near = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=soft_edge)
        values = ink / np.percentile(ink[mask], 75) * near
    result: Array = np.clip(values, 0, 1, dtype=np.float32)
    return result


def _crop(ink: Array, mask: Array) -> tuple[Array, Array]:
    """The ink and the mask around the mask, with a margin, and with at most `CROP_SIZE` pixels a side."""
    rows, columns = bounding_box(mask)
    margin = round(0.15 * longer_side((rows, columns))) + 2
    rows = slice(rows.start, rows.stop + 2 * margin)  # in the padded picture
    columns = slice(columns.start, columns.stop + 2 * margin)
    ink = np.pad(ink, margin)[rows, columns]
    mask = np.pad(mask, margin)[rows, columns]
    return _limit_size(ink), _limit_size(mask.astype(np.float32)) > 0.5


def _limit_size(values: Array) -> Array:
    """Brightness float32 [h, w], with at most `CROP_SIZE` pixels a side."""
    picture = Image.fromarray(values)
    picture.thumbnail((CROP_SIZE, CROP_SIZE), Image.Resampling.BOX)
    return np.asarray(picture)

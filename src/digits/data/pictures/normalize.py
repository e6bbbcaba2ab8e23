"""MNIST's format for any picture of one digit: white ink on black, scaled into 20×20 with its aspect ratio kept,
anti-aliased, its center of mass in the center of 28×28 (Y. LeCun et al. 1998, section III.A)."""

from math import ceil, sqrt

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from digits.data.pictures import segment
from digits.data.pictures.segment import Array, Segmentation
from digits.errors import InputError

MIN_SIDE = 8  # pixels
LARGE = 1 << 22  # pixels; a larger picture is reduced before anything else
LOW_CONTRAST = 0.15  # in brightness; below it the color channels are tried
STROKE_WIDTH_RANGE = (1.6, 4.6)  # pixels in 28×28; 98 % of MNIST's digits have strokes of 1.4 to 4.5


def normalize_picture(picture: Image.Image) -> Array:
    """A picture of any size, mode, orientation and polarity to uint8 [28, 28].

    Raises InputError if it is smaller than 8×8 pixels, or blank.
    """
    return normalize_oriented(orient(picture))


def orient(picture: Image.Image) -> Image.Image:
    """An upright, opaque picture of mode L or RGB. May decode a JPEG file at reduced size, if it is not yet decoded."""
    picture.draft("RGB", (4 * segment.WORKING_SIZE, 4 * segment.WORKING_SIZE))
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


def normalize_oriented(picture: Image.Image) -> Array:
    """`normalize_picture` for a picture that `orient` returned."""
    if min(picture.size) < MIN_SIDE:
        raise InputError(f"is {picture.width}×{picture.height}; at least {MIN_SIDE}×{MIN_SIDE} pixels are needed")
    gray = picture.convert("L")
    if gray.size == (28, 28):
        pixels = np.asarray(gray, dtype=np.float32) / 255
        for candidate in (pixels, 1 - pixels):
            if _is_mnist_format(candidate):
                return (candidate * 255).round().astype(np.uint8)
    digit = segment.find_digit(gray)
    if picture.mode == "RGB" and (not digit or digit.contrast < LOW_CONTRAST):
        # Yellow ink on white paper, for example, has contrast only in the blue channel.
        digits = [digit, *map(segment.find_digit, picture.split())]
        digit = max(digits, key=lambda digit: digit.contrast if digit else 0)
    if not digit:
        raise InputError("is blank: nothing like a digit found")
    return _fit_and_center(_normalize_stroke_width(digit))


def _is_mnist_format(pixels: Array) -> bool:
    """Whether pixels float32 [28, 28] in [0, 1] need no change."""
    inked = pixels > 0
    if not inked.any() or inked[[0, 0, -1, -1], [0, -1, 0, -1]].any():
        return False
    centered = all(abs(center - 14) < 0.75 for center in ndimage.center_of_mass(pixels))
    return centered and segment.longer_side(segment.bounding_box(inked)) in (19, 20)


def _normalize_stroke_width(digit: Segmentation) -> Array:
    """The digit alone, float32 [h, w] in [0, 1], with strokes in MNIST's range of widths."""
    rows, columns = digit.box
    margin = round(0.15 * digit.size) + 2
    strokes = np.pad(digit.strokes[rows, columns], margin)
    ink = np.pad(digit.ink, margin)[rows.start : rows.stop + 2 * margin, columns.start : columns.stop + 2 * margin]
    pixel = digit.size / 20  # a pixel of the result
    width = segment.stroke_width(strokes) / pixel
    thinnest, thickest = STROKE_WIDTH_RANGE
    if width < thinnest:
        values = (thinnest + 0.6 - width) / 2 * pixel + 0.5 - ndimage.distance_transform_edt(~strokes)
    elif width > thickest:
        values = ndimage.distance_transform_edt(strokes) - (width - thickest) / 2 * pixel
    else:
        near = ndimage.binary_dilation(strokes, np.ones((3, 3)), iterations=max(1, round(0.6 * pixel)))
        values = ink / np.percentile(ink[strokes], 75) * near
    result: Array = np.clip(values, 0, 1, dtype=np.float32)
    return result


def _fit_and_center(digit: Array) -> Array:
    """Scales the digit into 20×20 and moves its center of mass to the center of uint8 [28, 28]."""
    digit = digit[segment.bounding_box(digit > 0.2)]
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

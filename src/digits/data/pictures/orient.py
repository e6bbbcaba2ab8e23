"""Pictures of any size, mode and orientation to upright, opaque ones, gray or in color."""

from math import ceil, sqrt

import numpy as np
from PIL import ExifTags, Image, ImageOps

from digits.data.pictures.masks import Array
from digits.data.pictures.segment import WORKING_SIZES

TRANSPOSED = (5, 6, 7, 8)  # values of the EXIF orientation with exchanged width and height
LARGE = 1 << 22  # pixels; a larger picture is reduced before anything else


def orient(picture: Image.Image) -> Image.Image:
    """An upright, opaque picture of mode L or RGB. May decode a JPEG file at reduced size, if it is not yet decoded."""
    sufficient = 4 * WORKING_SIZES[1]
    picture.draft("RGB", (sufficient, sufficient))
    picture = _shrink_large(ImageOps.exif_transpose(picture))
    if picture.mode.startswith(("I", "F")):
        picture = _stretch_range(np.asarray(picture, dtype=np.float64))
    if picture.has_transparency_data:
        picture = _composite_alpha(picture.convert("RGBA"))
    is_gray = picture.mode in ("1", "L")
    return picture.convert("L" if is_gray else "RGB")


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height of a picture file after its rotation by `orient`, before any reduction."""
    width, height = picture.size
    orientation = picture.getexif().get(ExifTags.Base.Orientation)
    return (height, width) if orientation in TRANSPOSED else (width, height)


def _shrink_large(picture: Image.Image) -> Image.Image:
    """Averages blocks of pixels of a large picture."""
    factor = ceil(sqrt(picture.width * picture.height / LARGE))
    if factor == 1:
        return picture
    # Pillow cannot average the values of the other modes.
    if picture.mode.startswith("I;16"):
        picture = picture.convert("I")
    elif picture.mode not in ("L", "LA", "RGB", "RGBA", "I", "F"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return picture.reduce(factor)


def _stretch_range(values: Array) -> Image.Image:
    """Brightness of any range to mode L. Pixels that are not finite become the darkest or the brightest."""
    finite = values[np.isfinite(values)]
    low, high = 0, 0
    if finite.size:
        low, high = finite.min(), finite.max()
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    fractions = (values - low) / max(high - low, 1e-6)
    return Image.fromarray((fractions * 255).astype(np.uint8))


def _composite_alpha(picture: Image.Image) -> Image.Image:
    """Composites RGBA onto its median color if it is mostly opaque, else onto white or black, whichever contrasts."""
    values = np.asarray(picture)
    opaque = values[..., 3] > 127
    colors = values[opaque][:, :3]
    if opaque.mean() > 0.5:
        red, green, blue = (int(value) for value in np.median(colors, axis=0))
    elif opaque.any() and colors.mean() > 127:
        red, green, blue = 0, 0, 0
    else:
        red, green, blue = 255, 255, 255
    background = Image.new("RGBA", picture.size, (red, green, blue, 255))
    return Image.alpha_composite(background, picture)

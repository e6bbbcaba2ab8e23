"""MNIST digits as files often hold them: two tones, few pixels, thin or thick strokes, noise, few gray levels, JPEG
artifacts, a gray background, shifted or blurred.

Each corruption takes and returns images uint8 [N, 28, 28], white ink on black. It draws from the generator that it
gets, and does not change its argument. `FILE_CORRUPTIONS` names all of them.
"""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Images: TypeAlias = NDArray[np.uint8]  # [N, 28, 28]
Corruption: TypeAlias = Callable[[Images, np.random.Generator], Images]


def apply_corruption(corruption: Corruption, name: str, images: Images) -> Images:
    """The corrupted images. The generator is seeded by the corruption's name, so that each call returns the same."""
    return corruption(images, np.random.default_rng(list(name.encode())))


def to_uint8(values: NDArray[Any]) -> Images:
    """Values in [0, 255], rounded and clipped."""
    return np.rint(values).clip(0, 255).astype(np.uint8)


def threshold(
    images: Images, generator: np.random.Generator, *, level: int, dark: int = 0, bright: int = 255
) -> Images:
    """Two tones: `bright` above `level`, `dark` elsewhere."""
    return np.where(images > level, np.uint8(bright), np.uint8(dark))


def coarse(
    images: Images, generator: np.random.Generator, *, side: int, method: Image.Resampling, two_tones: bool = False
) -> Images:
    """Reduced to `side` × `side` pixels by the mean of the areas, then enlarged to 28×28 again by `method`. With
    `two_tones` the small image is thresholded at 127."""
    enlarged = np.empty_like(images)
    for index, image in enumerate(images):
        small = Image.fromarray(image).resize((side, side), Image.Resampling.BOX)
        if two_tones:
            small = Image.fromarray(np.where(np.asarray(small) > 127, np.uint8(255), np.uint8(0)))
        enlarged[index] = np.asarray(small.resize((28, 28), method))
    return enlarged


def skeleton(images: Images, generator: np.random.Generator) -> Images:
    """Strokes one pixel wide in two tones: the thinning of T. Zhang and C. Suen 1984 (doi:10.1145/357994.358023),
    after a threshold at 127."""
    ink = np.pad(images > 127, ((0, 0), (1, 1), (1, 1)))
    while True:
        count = ink.sum()
        for lower_right in (True, False):
            ink[:, 1:-1, 1:-1] &= ~removable_pixels(ink, lower_right=lower_right)
        if ink.sum() == count:
            break
    return np.where(ink[:, 1:-1, 1:-1], np.uint8(255), np.uint8(0))


def removable_pixels(ink: NDArray[np.bool_], *, lower_right: bool) -> NDArray[np.bool_]:
    """The pixels bool [N, 28, 28] that one half step of the thinning removes from ink bool [N, 30, 30]: those on the
    lower right of a stroke, or on its upper left."""
    north, south = ink[:, :-2, 1:-1], ink[:, 2:, 1:-1]
    west, east = ink[:, 1:-1, :-2], ink[:, 1:-1, 2:]
    northwest, northeast = ink[:, :-2, :-2], ink[:, :-2, 2:]
    southwest, southeast = ink[:, 2:, :-2], ink[:, 2:, 2:]
    around = np.stack([north, northeast, east, southeast, south, southwest, west, northwest])

    inked_neighbors = around.sum(0)
    # A single step from background to ink around a pixel: the stroke stays connected without it.
    beginnings = (~around & np.roll(around, -1, axis=0)).sum(0)
    if lower_right:
        on_that_side = ~(north & east & south) & ~(east & south & west)
    else:
        on_that_side = ~(north & east & west) & ~(north & south & west)
    # An end of a stroke has one neighbor.
    return (inked_neighbors >= 2) & (inked_neighbors <= 6) & (beginnings == 1) & on_that_side


def thick(images: Images, generator: np.random.Generator) -> Images:
    """Strokes wider by one pixel on each side: the brightest of 3×3 pixels."""
    return ndimage.maximum_filter(images, (1, 3, 3))


def gaussian_noise(images: Images, generator: np.random.Generator, *, sigma: float) -> Images:
    """Normal noise with a standard deviation of `sigma` of 255."""
    return to_uint8(images + generator.normal(scale=sigma, size=images.shape))


def few_levels(images: Images, generator: np.random.Generator, *, levels: int) -> Images:
    """The nearest of `levels` evenly spaced gray levels from 0 to 255."""
    step = 255 / (levels - 1)
    return to_uint8(np.rint(images / step) * step)


def jpeg(images: Images, generator: np.random.Generator, *, quality: int) -> Images:
    """Saved as JPEG files and read again."""
    decoded = np.empty_like(images)
    for index, image in enumerate(images):
        file = BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        decoded[index] = np.asarray(Image.open(file))
    return decoded


def half_contrast(images: Images, generator: np.random.Generator) -> Images:
    """Gray ink on black."""
    return to_uint8(images / 2)


def gray_background(images: Images, generator: np.random.Generator, *, background: int) -> Images:
    """The ink stays white, black becomes `background`."""
    return to_uint8(background + images * ((255 - background) / 255))


def off_center(images: Images, generator: np.random.Generator, *, distance: int) -> Images:
    """Shifted by `distance` pixels up, down, left or right."""
    directions = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
    shifts = distance * directions[generator.integers(4, size=len(images))]
    padded = np.pad(images, ((0, 0), (distance, distance), (distance, distance)))
    shifted = np.empty_like(images)
    for index, (down, right) in enumerate(shifts):
        top, left = distance - down, distance - right
        shifted[index] = padded[index, top : top + 28, left : left + 28]
    return shifted


def blur(images: Images, generator: np.random.Generator, *, sigma: float) -> Images:
    """A Gaussian blur of `sigma` pixels."""
    return to_uint8(ndimage.gaussian_filter(images.astype(np.float32), (0, sigma, sigma)))


NEAREST, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.BICUBIC

FILE_CORRUPTIONS: dict[str, Corruption] = {
    "threshold 64": partial(threshold, level=64),
    "threshold 127": partial(threshold, level=127),
    "threshold 191": partial(threshold, level=191),
    "threshold 127, tones 50 and 205": partial(threshold, level=127, dark=50, bright=205),
    "7×7, nearest neighbor": partial(coarse, side=7, method=NEAREST),
    "10×10, nearest neighbor": partial(coarse, side=10, method=NEAREST),
    "14×14, nearest neighbor": partial(coarse, side=14, method=NEAREST),
    "20×20, nearest neighbor": partial(coarse, side=20, method=NEAREST),
    "7×7, bicubic": partial(coarse, side=7, method=BICUBIC),
    "10×10, bicubic": partial(coarse, side=10, method=BICUBIC),
    "14×14, bicubic": partial(coarse, side=14, method=BICUBIC),
    "20×20, bicubic": partial(coarse, side=20, method=BICUBIC),
    "14×14 in two tones, nearest neighbor": partial(coarse, side=14, method=NEAREST, two_tones=True),
    "skeleton": skeleton,
    "thick": thick,
    "noise 20": partial(gaussian_noise, sigma=20),
    "noise 40": partial(gaussian_noise, sigma=40),
    "2 gray levels": partial(few_levels, levels=2),
    "3 gray levels": partial(few_levels, levels=3),
    "4 gray levels": partial(few_levels, levels=4),
    "8 gray levels": partial(few_levels, levels=8),
    "JPEG 10": partial(jpeg, quality=10),
    "JPEG 30": partial(jpeg, quality=30),
    "JPEG 50": partial(jpeg, quality=50),
    "half contrast": half_contrast,
    "background 64": partial(gray_background, background=64),
    "background 128": partial(gray_background, background=128),
    "off-center by 4": partial(off_center, distance=4),
    "blur 0.4": partial(blur, sigma=0.4),
    "blur 0.7": partial(blur, sigma=0.7),
    "blur 1.0": partial(blur, sigma=1.0),
}

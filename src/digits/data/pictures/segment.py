"""Hypotheses about the strokes of a digit in a gray picture: dark or light ink, one background or one that changes
with shadows, strong or faint ink, with or without the regions at the border. Specks are removed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image
from scipy import ndimage

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Box: TypeAlias = tuple[slice, slice]

WORKING_SIZES = (112, 400)  # pixels of the longer side; smaller pictures are enlarged, larger ones reduced
MIN_CONTRAST = 0.06  # minimum ink, relative to the background's brightness
MIN_SEPARATION = 0.8  # minimum fraction of the variance between ink and a background of one brightness
MIN_RELATIVE_SIZE = 0.2  # of the picture's longer side; a smaller digit is segmented again in a crop
BACKGROUND_WINDOWS = (None, 0.5, 0.25, 0.12)  # of the shorter side; None: one brightness
TIGHT_SEPARATION = 0.85  # minimum fraction of the variance between two tones
CLEAR_POLARITY = 1.4  # the polarity whose contrast to its surroundings is higher by this factor is the ink
FAINT = 0.12  # of the darkest ink: the lower threshold
MAX_PARTS = 9  # maximum number of groups, to bound the work for a page of text
LARGE_PART = (0.15, 0.5)  # minimum mass and height, relative to those of the largest part


class Recipe(NamedTuple):
    """One way to find strokes; the simplest is first in `RECIPES`."""

    window: float | None
    dark: bool
    faint: bool
    clear_border: bool

    def __str__(self) -> str:
        ink = f"{'faint ' if self.faint else ''}{'dark' if self.dark else 'light'} ink"
        background = f", local background {self.window}" if self.window else ""
        return ink + background + ("" if self.clear_border else ", border kept")


RECIPES = [
    Recipe(window, dark, faint, clear)
    for window, faint, clear, dark in product(BACKGROUND_WINDOWS, (False, True), (True, False), (True, False))
]


@dataclass(frozen=True)
class Strokes:
    """The strokes of a digit in a picture of working size [H, W]."""

    recipe: Recipe
    ink: Array  # float32 [H, W] in [0, 1]: how much darker each pixel is than its background
    mask: Array  # bool [H, W]
    contrast: float  # difference in brightness between strokes and background, in [0, 1]
    others: Sequence[Array]  # masks of strokes of similar size that lie apart
    parts: Sequence[Array]  # masks of the large parts of the strokes

    @cached_property
    def box(self) -> Box:
        return bounding_box(self.mask)

    @property
    def size(self) -> int:
        return longer_side(self.box)


def find_strokes(picture: Image.Image) -> list[Strokes]:
    """Different strokes in a picture of mode L, by the order of `RECIPES`. Empty if the picture is blank."""
    gray = to_working_size(picture)
    is_tight = _is_tight_crop(gray)
    recipes = [recipe for recipe in RECIPES if recipe.window is None or not is_tight]
    found: dict[bytes, Strokes] = {}
    for strokes in _without_backgrounds(gray, _segment(gray, recipes)):
        is_small = strokes.size < MIN_RELATIVE_SIZE * max(gray.shape) and not strokes.others
        if is_small and max(picture.size) > max(gray.shape):
            enlarged = to_working_size(_crop_around(strokes, picture))
            strokes = next(_segment(enlarged, [strokes.recipe]), strokes)
        found.setdefault(strokes.mask.tobytes(), strokes)
    return list(found.values())


def _is_tight_crop(gray: Array) -> bool:
    """Whether a picture has two tones, and both touch all four borders. A straight shadow does not touch all."""
    threshold, separation = otsu(gray.ravel())
    dark = [border <= threshold for border in borders(gray)]
    return separation > TIGHT_SEPARATION and all(0 < border.mean() < 1 for border in dark)


def _without_backgrounds(gray: Array, found: Iterator[Strokes]) -> Iterator[Strokes]:
    """Drops dark or light strokes that look like their surroundings, if those of the other polarity by the same recipe
    do not."""
    for _, group in groupby(found, key=lambda strokes: strokes.recipe._replace(dark=True)):
        pair = list(group)
        if len(pair) == 2:
            surroundings = _brightness_around(gray, pair[0].mask | pair[1].mask)
            one, other = (abs(np.median(gray[strokes.mask]) - surroundings) for strokes in pair)
            if max(one, other) > CLEAR_POLARITY * min(one, other):
                pair = [pair[0] if one > other else pair[1]]
        yield from pair


def _brightness_around(gray: Array, mask: Array) -> float:
    """The median brightness near the bounding box of a mask, or along the picture's border if the box fills it."""
    box = bounding_box(mask)
    margin = round(0.1 * longer_side(box)) + 1
    near = np.zeros_like(mask)
    near[tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)] = True
    near[box] = False
    return float(np.median(gray[near] if near.any() else np.concatenate(borders(gray))))


def to_working_size(picture: Image.Image) -> Array:
    """Brightness float32 [H, W] in [0, 1] of a picture of mode L, slightly smoothed."""
    smallest, largest = WORKING_SIZES
    longer = max(picture.size)
    if longer < smallest:
        size = [max(1, round(side * smallest / longer)) for side in picture.size]
        picture = picture.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    else:
        picture = picture.copy()
        picture.thumbnail((largest, largest), Image.Resampling.BOX)
    gray = np.asarray(picture, dtype=np.float32) / 255
    smooth: Array = ndimage.gaussian_filter(gray, 0.002 * max(gray.shape))
    return smooth


def _crop_around(strokes: Strokes, picture: Image.Image) -> Image.Image:
    """The surroundings of a small digit at the picture's full resolution."""
    scale = max(picture.size) / max(strokes.ink.shape)
    rows, columns = (slice(max(side.start - strokes.size, 0), side.stop + strokes.size) for side in strokes.box)
    right, bottom = min(columns.stop * scale, picture.width), min(rows.stop * scale, picture.height)
    return picture.crop((round(columns.start * scale), round(rows.start * scale), round(right), round(bottom)))


def _segment(gray: Array, recipes: Sequence[Recipe]) -> Iterator[Strokes]:
    """The strokes in brightness float32 [H, W] by each recipe that finds any."""
    inks: dict[tuple[float | None, bool], tuple[Array, Array, Array] | None] = {}
    for recipe in recipes:
        key = recipe.window, recipe.dark
        if key not in inks:
            inks[key] = _measure_ink(gray if recipe.dark else 1 - gray, recipe.window)
        if not (measured := inks[key]):
            continue
        ink, smooth, difference = measured
        peak = np.percentile(smooth[smooth > 0], 98)
        threshold = FAINT * peak if recipe.faint else np.clip(otsu(smooth[smooth > 0])[0], 0.25 * peak, 0.6 * peak)
        mask = smooth > threshold
        if recipe.clear_border:
            mask = _remove_edge_regions(mask)
        if mask.any():
            groups, parts = _group(mask, smooth)
            contrast = float(np.percentile(difference[groups[0]], 80))
            if contrast >= MIN_CONTRAST * gray.max():  # else the texture of the paper
                yield Strokes(recipe, ink, groups[0], contrast, groups[1:], parts)


def _measure_ink(gray: Array, window: float | None) -> tuple[Array, Array, Array] | None:
    """The ink of dark strokes relative to their background, the same smoothed and without noise, and the difference in
    brightness, each float32 [H, W]; None if there is only noise."""
    if window is None:
        if otsu(gray.ravel())[1] < MIN_SEPARATION:
            return None
        background = np.full_like(gray, np.percentile(gray, 90))
    else:
        side = max(7, round(window * min(gray.shape)))
        padded = np.pad(gray, side, mode="edge")
        background = ndimage.grey_closing(padded, (side, side))[side:-side, side:-side]  # without narrower strokes
    ink = (background - gray) / np.maximum(background, 0.05)
    ink = ink - (0 if window is None else np.median(ink))
    smooth = ndimage.gaussian_filter(ink, 0.0035 * max(ink.shape))
    noise = 0 if window is None else 1.4826 * np.median(np.abs(smooth))
    smooth = np.where(smooth > max(MIN_CONTRAST, 6 * noise), smooth, 0)
    return (np.clip(ink, 0, 1), smooth, background - gray) if smooth.any() else None


def _remove_edge_regions(mask: Array) -> Array:
    """Removes components that cover most of one border, e.g. the edge of a table or a shadow."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    regions: set[int] = set()
    for border in borders(labels):
        touching, lengths = np.unique(border[border > 0], return_counts=True)
        regions |= set(touching[lengths > 0.5 * len(border)])
    return mask & ~np.isin(labels, list(regions))


def _group(mask: Array, smooth: Array) -> tuple[list[Array], list[Array]]:
    """Groups of connected components that lie close to each other, those with the most ink first: the digit, and other
    groups of similar size. Also the large components of the first group."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    mass = ndimage.sum_labels(smooth, labels, range(1, count + 1))
    boxes = ndimage.find_objects(labels)
    remaining = [int(component) for component in np.argsort(-mass)[:50]]
    groups: list[list[int]] = []
    while remaining and len(groups) < MAX_PARTS:
        main, *others = remaining
        if groups and not _is_large(main, groups[0][0], mass, boxes):
            break
        group, box = [main], boxes[main]
        for other in others:
            reach = 0.25 * longer_side(box)
            sides = list(zip(box, boxes[other], strict=True))
            near = all(max(b.start - a.stop, a.start - b.stop) <= reach for a, b in sides)
            if near and mass[other] > 0.04 * mass[main]:
                group.append(other)
                box = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in sides)
        groups.append(group)
        remaining = [component for component in others if component not in group]
    parts = [component for component in groups[0] if _is_large(component, groups[0][0], mass, boxes)]
    return [np.isin(labels, np.add(group, 1)) for group in groups], [labels == part + 1 for part in parts]


def _is_large(component: int, largest: int, mass: Array, boxes: Sequence[Box]) -> bool:
    min_mass, min_size = LARGE_PART
    is_long = longer_side(boxes[component]) > min_size * longer_side(boxes[largest])
    return bool(mass[component] > min_mass * mass[largest] and is_long)


def otsu(values: Array) -> tuple[float, float]:
    """The threshold that best separates two classes (N. Otsu 1979), and the fraction of the variance between them."""
    if np.ptp(values) < 1e-3:
        return float(values.mean()), 0.0
    counts, edges = np.histogram(values, 128)
    centers = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()[:-1].clip(1)
    above = (len(values) - below).clip(1)
    sums = (counts * centers).cumsum()
    between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2 / len(values) ** 2
    return float(centers[between.argmax()]), float(between.max() / max(values.var(), 1e-9))


def stroke_width(strokes: Array) -> float:
    """The median width in pixels along the strokes bool [H, W]."""
    depth = ndimage.distance_transform_edt(np.pad(strokes, 1))
    ridge = (depth == ndimage.maximum_filter(depth, 3)) & (depth > 0)
    return float(2 * np.median(depth[ridge]) - 0.5)


def bounding_box(mask: Array) -> Box:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def longer_side(box: Box) -> int:
    return max(int(side.stop - side.start) for side in box)


def borders(values: Array) -> list[Array]:
    return [values[0], values[-1], values[:, 0], values[:, -1]]

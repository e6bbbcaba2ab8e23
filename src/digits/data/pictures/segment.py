"""Segmentation: the strokes of one digit in a gray picture. Ink is measured against the local background, so that
shadows do not count. Specks, ruled lines and regions along the border are removed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from scipy import ndimage

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Box: TypeAlias = tuple[slice, slice]

WORKING_SIZE = 400  # pixels of the longer side; larger pictures are reduced
MIN_CONTRAST = 0.06  # minimum ink, relative to the background's brightness
MAX_INK_AROUND = (0.07, 0.25)  # maximum ink fraction in the ring around the strokes: strict, then relaxed
MIN_RELATIVE_SIZE = 0.2  # of the picture's longer side; a smaller digit is segmented again in a crop
BACKGROUND_WINDOWS = (0.12, 0.25, 0.5)  # of the shorter side


@dataclass(frozen=True)
class Segmentation:
    """The strokes in a picture of working size [H, W]."""

    ink: Array  # float32 [H, W] in [0, 1]: how much darker each pixel is than its background
    strokes: Array  # bool [H, W]
    contrast: float  # difference in brightness between strokes and background, in [0, 1]
    ink_around: float  # ink fraction in the ring around the strokes

    @cached_property
    def box(self) -> Box:
        return bounding_box(self.strokes)

    @property
    def size(self) -> int:
        return longer_side(self.box)

    @cached_property
    def border_fraction(self) -> float:
        """The fraction of the picture's border that the strokes cover."""
        return float(np.concatenate(_borders(self.strokes)).mean())


def find_digit(picture: Image.Image) -> Segmentation | None:
    """The digit in a picture of mode L, or None if the picture is blank."""
    gray = _to_working_size(picture)
    padded = _pad_tight_crop(gray)
    digit = _segment_both_polarities(padded)
    reduced = padded is gray and max(picture.size) > max(gray.shape)
    if digit and reduced and digit.size < MIN_RELATIVE_SIZE * max(gray.shape):
        return _segment_both_polarities(_to_working_size(_crop_around(digit, picture))) or digit
    return digit


def _to_working_size(picture: Image.Image) -> Array:
    """Brightness float32 [H, W] in [0, 1] of a picture of mode L, slightly smoothed."""
    picture = picture.copy()
    picture.thumbnail((WORKING_SIZE, WORKING_SIZE), Image.Resampling.BOX)
    gray = np.asarray(picture, dtype=np.float32) / 255
    return ndimage.gaussian_filter(gray, 0.002 * max(gray.shape)) if max(gray.shape) > 100 else gray


def _pad_tight_crop(gray: Array) -> Array:
    """Pads a two-tone digit that touches all four borders with its background. A straight shadow does not touch all."""
    threshold, separation = _otsu(gray.ravel())
    borders = _borders(gray)
    background = np.median(np.concatenate(borders))
    touched = all(((border > threshold) != (background > threshold)).any() for border in borders)
    if not touched or separation < 0.85:
        return gray
    return np.pad(gray, round(0.5 * max(gray.shape)), constant_values=background)


def _crop_around(digit: Segmentation, picture: Image.Image) -> Image.Image:
    """The surroundings of a small digit at the picture's full resolution."""
    scale = max(picture.size) / max(digit.ink.shape)
    rows, columns = (slice(max(side.start - digit.size, 0), side.stop + digit.size) for side in digit.box)
    right, bottom = min(columns.stop * scale, picture.width), min(rows.stop * scale, picture.height)
    return picture.crop((round(columns.start * scale), round(rows.start * scale), round(right), round(bottom)))


def _segment_both_polarities(gray: Array) -> Segmentation | None:
    """The digit, dark or light, in brightness float32 [H, W]."""
    dark, light = list(_segment_dark_strokes(gray)), list(_segment_dark_strokes(1 - gray))
    for max_ink_around in MAX_INK_AROUND:
        found = [best for candidates in (dark, light) if (best := _choose_window(candidates, max_ink_around))]
        if found:
            return _choose_polarity(*found) if len(found) == 2 else found[0]
    return None


def _segment_dark_strokes(gray: Array) -> Iterator[Segmentation]:
    """One segmentation per background window that shows strokes, from the narrowest window to the widest."""
    for window in BACKGROUND_WINDOWS:
        side = max(7, round(window * min(gray.shape)))
        padded = np.pad(gray, side, mode="edge")
        background = ndimage.grey_closing(padded, (side, side))[side:-side, side:-side]  # without narrower strokes
        ink = (background - gray) / np.maximum(background, 0.05)
        ink = np.clip(ink - np.median(ink), 0, 1)
        strokes = _threshold_and_group(ink)
        if strokes is not None:
            contrast = float(np.percentile((background - gray)[strokes], 80))
            yield Segmentation(ink, strokes, contrast, _ink_around_strokes(strokes, gray, background))


def _threshold_and_group(ink: Array) -> Array | None:
    """The connected component with the most ink, and others close to it; None if there is only noise."""
    smooth = ndimage.gaussian_filter(ink, 0.0035 * max(ink.shape))
    noise = 1.4826 * np.median(np.abs(smooth - np.median(smooth)))
    inked = _remove_edge_regions(smooth > max(MIN_CONTRAST, 6 * noise))
    if not inked.any():
        return None
    peak = np.percentile(smooth[inked], 98)
    threshold = np.clip(_otsu(smooth[inked])[0], 0.25 * peak, 0.6 * peak)
    labels, count = ndimage.label(inked & (smooth > threshold), np.ones((3, 3)))
    mass = ndimage.sum_labels(smooth, labels, range(1, count + 1))
    boxes = ndimage.find_objects(labels)
    main, *others = np.argsort(-mass)
    group, group_box = [main], boxes[main]
    for other in others:
        reach = 0.25 * longer_side(group_box)
        sides = list(zip(group_box, boxes[other], strict=True))
        near = all(max(b.start - a.stop, a.start - b.stop) <= reach for a, b in sides)
        if near and mass[other] > 0.04 * mass[main]:
            group.append(other)
            group_box = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in sides)
    return np.isin(labels, np.add(group, 1))


def _remove_edge_regions(mask: Array) -> Array:
    """Removes components that cover most of one border, e.g. the edge of a table, unless there are no others."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    regions: set[int] = set()
    for border in _borders(labels):
        touching, lengths = np.unique(border[border > 0], return_counts=True)
        regions |= set(touching[lengths > 0.5 * len(border)])
    return mask & ~np.isin(labels, list(regions)) if len(regions) < count else mask


def _ink_around_strokes(strokes: Array, gray: Array, background: Array) -> float:
    """The ink fraction in the ring around the strokes: large if they are fragments of wider strokes."""
    width = stroke_width(strokes)
    distance, nearest = ndimage.distance_transform_edt(~strokes, return_indices=True)
    ring = (distance > max(1.5, width / 2)) & (distance <= max(3, width))
    nearest_stroke = tuple(index[ring] for index in nearest)
    darkness = np.median(gray[strokes] / np.maximum(background[strokes], 0.05))
    return float((gray[ring] < background[nearest_stroke] * (1 + darkness) / 2).mean()) if ring.any() else 0.0


def _choose_window(candidates: list[Segmentation], max_ink_around: float) -> Segmentation | None:
    """The segmentation of the narrowest window, unless a wider window extends the same strokes and adds no shadow."""
    best = None
    for wide in candidates:
        if wide.ink_around <= max_ink_around and (best is None or _extends_same_stroke(best, wide)):
            best = wide
    return best


def _extends_same_stroke(narrow: Segmentation, wide: Segmentation) -> bool:
    return (
        wide.strokes.sum() > 1.15 * narrow.strokes.sum()
        and 0.8 < wide.contrast / narrow.contrast < 1.25
        and wide.border_fraction < narrow.border_fraction + 0.05
    )


def _choose_polarity(dark: Segmentation, light: Segmentation) -> Segmentation:
    """The digit; the other one is its background, or the holes in it."""
    if not 0.7 < dark.contrast / light.contrast < 1.4:
        return max(dark, light, key=lambda digit: digit.contrast)
    larger = max(dark, light, key=lambda digit: digit.size)
    return larger if larger.border_fraction < 0.4 else min(dark, light, key=lambda digit: digit.border_fraction)


def _otsu(values: Array) -> tuple[float, float]:
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


def _borders(values: Array) -> list[Array]:
    return [values[0], values[-1], values[:, 0], values[:, -1]]

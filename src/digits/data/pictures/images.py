"""Any picture of one digit to the convention of MNIST: white ink on black, scaled into 20×20 with its aspect kept,
anti-aliased, its centre of mass in the middle of 28×28 (Y. LeCun et al. 1998, section III.A).

What is ink is judged against the paper around it, so that shadows do not matter; dark and light strokes are looked for
alike; specks, ruled lines and what lies beside the paper are left out; very thin and very thick strokes are brought to
a width that MNIST has.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from digits.errors import InputError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

SMALLEST = 8  # pixels of a side; less holds no digit
WORKING_SIZE = 400  # pixels of the longer side; larger pictures are reduced to it
FAINTEST = 0.06  # of the paper's brightness: what differs less is no ink
RAGGED = (0.07, 0.25)  # how much of the strokes' surroundings may be ink; the second if nothing is as good
TINY = 0.2  # of the longer side; what is smaller is looked at again from nearer
FAINT = 0.15  # in brightness: ink that differs less may differ more in a colour
WINDOWS = (0.12, 0.25, 0.5)  # of the shorter side: how far around a pixel its paper is looked for
STROKE = (1.6, 4.6)  # pixels in 28×28; MNIST's strokes are 1.4 to 4.5 wide in 98 of 100 digits


def normalize_picture(picture: Image.Image) -> Array:
    """A picture of any size, mode, orientation and polarity to uint8 [28, 28].

    Raises InputError if it is smaller than 8×8 pixels, or blank.
    """
    if min(picture.size) < SMALLEST:
        raise InputError(f"is {picture.width}×{picture.height}; at least {SMALLEST}×{SMALLEST} pixels are needed")
    picture = upright(picture)
    grey = _reduce(picture.convert("L"))
    if grey.shape == (28, 28):
        for pixels in (grey, 1 - grey):
            if _is_in_convention(pixels):
                return (pixels * 255).round().astype(np.uint8)
    drawing = _look(picture.convert("L"))
    if picture.mode == "RGB" and (not drawing or drawing.contrast < FAINT):
        drawings = [drawing, *map(_look, picture.split())]  # yellow ink is as bright as white paper, but not in blue
        drawing = max(drawings, key=lambda drawing: drawing.contrast if drawing else 0)
    if not drawing:
        raise InputError("is blank: nothing like a digit found")
    return _place(_even_width(drawing))


def _look(picture: Image.Image) -> "Drawing | None":
    """The digit in a picture of mode L."""
    grey = _reduce(picture)
    padded = _with_paper(grey)
    if padded is not None:
        return _dark_or_light(padded)
    drawing = _dark_or_light(grey)
    if drawing and drawing.extent < TINY * max(grey.shape) and max(picture.size) > max(grey.shape):
        return _dark_or_light(_reduce(_zoom(picture, drawing))) or drawing
    return drawing


def upright(picture: Image.Image) -> Image.Image:
    """The picture as mode L or RGB, turned as it was taken, transparency laid on what it was drawn for. A JPEG that is
    not yet decoded may be decoded at reduced size."""
    picture.draft("RGB", (4 * WORKING_SIZE, 4 * WORKING_SIZE))
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        low, high = values.min(), values.max()
        picture = Image.fromarray(((values - low) / max(high - low, 1e-6) * 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = _flatten(picture.convert("RGBA"))
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _reduce(picture: Image.Image) -> Array:
    """Brightness in [0, 1] of a picture of mode L, float32 [H, W] of working size."""
    picture = picture.copy()
    picture.thumbnail((WORKING_SIZE, WORKING_SIZE), Image.Resampling.BOX)
    grey = np.asarray(picture, dtype=np.float32) / 255
    return ndimage.gaussian_filter(grey, 0.002 * max(grey.shape)) if max(grey.shape) > 100 else grey


def _zoom(picture: Image.Image, drawing: "Drawing") -> Image.Image:
    """The surroundings of a small drawing, as large as they were taken."""
    scale = max(picture.size) / max(drawing.ink.shape)
    margin = drawing.extent
    rows, columns = (slice(max(side.start - margin, 0), side.stop + margin) for side in _box(drawing.strokes))
    right, bottom = min(columns.stop * scale, picture.width), min(rows.stop * scale, picture.height)
    return picture.crop((round(columns.start * scale), round(rows.start * scale), round(right), round(bottom)))


def _flatten(picture: Image.Image) -> Image.Image:
    """A drawing without paper gets the paper that it stands out from; paper that is there is continued."""
    values = np.asarray(picture)
    opaque = values[..., 3] > 127
    seen = values[opaque][:, :3] if opaque.any() else np.zeros((1, 3))
    if opaque.mean() > 0.5:
        paper = tuple(int(value) for value in np.median(seen, axis=0))
    else:
        paper = (0, 0, 0) if seen.mean() > 127 else (255, 255, 255)
    return Image.alpha_composite(Image.new("RGBA", picture.size, (*paper, 255)), picture)


def _is_in_convention(pixels: Array) -> bool:
    """Whether pixels float32 [28, 28] are as MNIST's: nothing is to be done with them."""
    inked = pixels > 0
    if not inked.any() or inked[[0, 0, -1, -1], [0, -1, 0, -1]].any():
        return False
    return _extent(_box(inked)) in (19, 20) and all(abs(c - 14) < 0.75 for c in ndimage.center_of_mass(pixels))


def _with_paper(grey: Array) -> Array | None:
    """With more of what is along most of the border, for a digit in two shades that was cut out at its ink: one that
    touches all four sides, as no straight shadow does. Else None."""
    threshold, separation = _otsu(grey.ravel())
    sides = [grey[0], grey[-1], grey[:, 0], grey[:, -1]]
    paper = np.median(np.concatenate(sides))
    touched = all(((side > threshold) != (paper > threshold)).any() for side in sides)
    if not touched or separation < 0.85:
        return None
    return np.pad(grey, round(0.5 * max(grey.shape)), constant_values=paper)


class Drawing(NamedTuple):
    """What may be the digit: how much darker than the paper around it each pixel is, float32 [H, W] in [0, 1], which
    pixels belong to its strokes, bool [H, W], and how far they differ from their paper in brightness."""

    ink: Array
    strokes: Array
    contrast: float

    @property
    def on_border(self) -> float:
        """The fraction of the picture's border that it covers."""
        sides = [self.strokes[0], self.strokes[-1], self.strokes[:, 0], self.strokes[:, -1]]
        return float(np.concatenate(sides).mean())

    @property
    def extent(self) -> int:
        """The longer side of its box, in pixels."""
        return _extent(_box(self.strokes))


def _dark_or_light(grey: Array) -> Drawing | None:
    """The digit, dark or light, in brightness float32 [H, W]."""
    for tolerance in RAGGED:
        drawings = [drawing for ground in (grey, 1 - grey) if (drawing := _find(ground, tolerance))]
        if drawings:
            return _likelier(*drawings) if len(drawings) == 2 else drawings[0]
    return None


def _likelier(dark: Drawing, light: Drawing) -> Drawing:
    """One of them is what the other leaves free, or what lies around it."""
    if not 0.7 < dark.contrast / light.contrast < 1.4:
        return max(dark, light, key=lambda drawing: drawing.contrast)
    outer = max(dark, light, key=lambda drawing: drawing.extent)
    return outer if outer.on_border < 0.4 else min(dark, light, key=lambda drawing: drawing.on_border)


def _find(grey: Array, tolerance: float) -> Drawing | None:
    """Dark strokes, in the smallest window that is wider than they are: shadows are wider still."""
    found = None
    for window in WINDOWS:
        paper = _paper(grey, max(7, round(window * min(grey.shape))))
        ink = (paper - grey) / np.maximum(paper, 0.05)
        ink = np.clip(ink - np.median(ink), 0, 1)
        strokes = _strokes(ink)
        if strokes is None or _raggedness(strokes, grey, paper) > tolerance:
            continue
        drawing = Drawing(ink, strokes, float(np.percentile((paper - grey)[strokes], 80)))
        if found is None or _continues(found, drawing):
            found = drawing
    return found


def _continues(narrow: Drawing, wide: Drawing) -> bool:
    """Whether the wider window shows more of the same strokes, and not a shadow."""
    return (
        wide.strokes.sum() > 1.15 * narrow.strokes.sum()
        and 0.8 < wide.contrast / narrow.contrast < 1.25
        and wide.on_border < narrow.on_border + 0.05
    )


def _paper(grey: Array, window: int) -> Array:
    """The brightness of the paper under each pixel, which surrounds it within the window."""
    padded = np.pad(grey, window, mode="edge")
    paper: Array = ndimage.grey_closing(padded, (window, window))[window:-window, window:-window]
    return paper


def _strokes(ink: Array) -> Array | None:
    """The heaviest part of the ink and what lies close to it; None if there is nothing but noise."""
    smooth = ndimage.gaussian_filter(ink, 0.0035 * max(ink.shape))
    noise = 1.4826 * np.median(np.abs(smooth - np.median(smooth)))
    inked = _without_margins(smooth > max(FAINTEST, 6 * noise))
    if not inked.any():
        return None
    peak = np.percentile(smooth[inked], 98)
    threshold = np.clip(_otsu(smooth[inked])[0], 0.25 * peak, 0.6 * peak)
    parts, count = ndimage.label(inked & (smooth > threshold), np.ones((3, 3)))
    mass = ndimage.sum_labels(smooth, parts, range(1, count + 1))
    boxes = ndimage.find_objects(parts)
    main, *others = np.argsort(-mass)
    kept, box = [main], boxes[main]
    for index in others:
        reach = 0.25 * _extent(box)
        near = all(
            max(other.start - own.stop, own.start - other.stop) <= reach
            for own, other in zip(box, boxes[index], strict=True)
        )
        if near and mass[index] > 0.04 * mass[main]:
            kept.append(index)
            box = tuple(
                slice(min(own.start, other.start), max(own.stop, other.stop))
                for own, other in zip(box, boxes[index], strict=True)
            )
    return np.isin(parts, np.add(kept, 1))


def _without_margins(mask: Array) -> Array:
    """Without what runs along most of a side of the picture, unless that is all there is: the table under the paper."""
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    margins = set()
    for side in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        labels, lengths = np.unique(side[side > 0], return_counts=True)
        margins |= set(labels[lengths > 0.5 * len(side)])
    return mask & ~np.isin(parts, list(margins)) if len(margins) < count else mask


def _otsu(values: Array) -> tuple[float, float]:
    """The threshold that separates two classes best (N. Otsu 1979), and the share of the variance between them."""
    if np.ptp(values) < 1e-3:
        return float(values.mean()), 0.0
    counts, edges = np.histogram(values, 128)
    centres = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()[:-1].clip(1)
    above = (len(values) - below).clip(1)
    sums = (counts * centres).cumsum()
    between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2 / len(values) ** 2
    return float(centres[between.argmax()]), float(between.max() / max(values.var(), 1e-9))


def _raggedness(strokes: Array, grey: Array, paper: Array) -> float:
    """The fraction of the strokes' surroundings that is not paper; if it is large, they are fragments of wider ones."""
    width = _stroke_width(strokes)
    distance, nearest = ndimage.distance_transform_edt(~strokes, return_indices=True)
    ring = (distance > max(1.5, width / 2)) & (distance <= max(3, width))
    there = tuple(index[ring] for index in nearest)
    darkness = np.median(grey[strokes] / np.maximum(paper[strokes], 0.05))
    return float((grey[ring] < paper[there] * (1 + darkness) / 2).mean()) if ring.any() else 0.0


def _stroke_width(strokes: Array) -> float:
    """In pixels; the median along the strokes."""
    depth = ndimage.distance_transform_edt(np.pad(strokes, 1))
    ridge = (depth == ndimage.maximum_filter(depth, 3)) & (depth > 0)
    return float(2 * np.median(depth[ridge]) - 0.5)


def _even_width(drawing: Drawing) -> Array:
    """The digit alone, float32 [h, w] in [0, 1], its strokes neither thinner nor thicker than MNIST's."""
    rows, columns = _box(drawing.strokes)
    margin = round(0.15 * drawing.extent) + 2
    strokes = np.pad(drawing.strokes[rows, columns], margin)
    ink = np.pad(drawing.ink, margin)[rows.start : rows.stop + 2 * margin, columns.start : columns.stop + 2 * margin]
    pixel = drawing.extent / 20  # of the result
    width = _stroke_width(strokes) / pixel
    if width < STROKE[0]:
        edge = (STROKE[0] + 0.6 - width) / 2 * pixel + 0.5 - ndimage.distance_transform_edt(~strokes)
    elif width > STROKE[1]:
        edge = ndimage.distance_transform_edt(strokes) - (width - STROKE[1]) / 2 * pixel
    else:
        near = ndimage.binary_dilation(strokes, np.ones((3, 3)), iterations=max(1, round(0.6 * pixel)))
        edge = ink / np.percentile(ink[strokes], 75) * near
    digit: Array = np.clip(edge, 0, 1, dtype=np.float32)
    return digit


def _place(digit: Array) -> Array:
    """Scaled into 20×20 and centred by mass in 28×28, uint8."""
    rows, columns = _box(digit > 0.2)
    digit = digit[rows, columns]
    height, width = digit.shape
    scale = 20 / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(digit).resize(size, Image.Resampling.BILINEAR))
    small = np.clip(small / max(np.percentile(small[small > 0.2], 90), 0.3), 0, 1)
    corner = [round(14 - centre) for centre in ndimage.center_of_mass(small)]
    top, left = (min(max(first, 0), 28 - side) for first, side in zip(corner, small.shape, strict=True))
    pixels = np.zeros((28, 28), dtype=np.uint8)
    pixels[top : top + small.shape[0], left : left + small.shape[1]] = (small * 255).round()
    return pixels


def _extent(box: tuple[slice, slice]) -> int:
    """The longer side of a box, in pixels."""
    return max(int(side.stop - side.start) for side in box)


def _box(mask: Array) -> tuple[slice, slice]:
    """The rows and columns that hold all that is set."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

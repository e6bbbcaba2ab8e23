"""Sheets: pictures of many digits, which are found and judged in several segmentations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from digits.data.pictures.choose import Predict
from digits.data.pictures.components import label_components, remove_edge_regions
from digits.data.pictures.masks import Array, RelativeBox, longer_side, relative_box
from digits.data.pictures.normalize import normalize_digit
from digits.data.pictures.reading_order import reading_order
from digits.data.pictures.ruled_lines import remove_ruled_lines
from digits.data.pictures.segment import Segmentation, enlarged_box, ink_threshold, measure_ink
from digits.data.pictures.shapes import Shape, find_shapes, typical_size
from digits.data.pictures.touching import cuts

SHEET_SIZES = (400, 1200)  # pixels of the longer side; smaller pictures are enlarged, larger ones reduced
SMOOTHING = 1.0  # pixels
BACKGROUND_WINDOWS = (0.12, 0.3, None)  # of the shorter side; None: one brightness
LOW = 0.65  # of the threshold of a single digit: thin strokes of small digits are light
CONVINCING = 0.8  # minimum confidence of a digit that is not examined further
MIN_CONFIDENCE = 0.5  # of a digit
ODD_CONFIDENCE = 0.9  # minimum confidence of a digit of an unusual size
USUAL_SIZES = (0.5, 1.8)  # of a digit, relative to the typical size
MIN_SHARE = 0.6  # of the ink in convincing digits; a picture with less is text or a drawing
MIN_OTHER_SHARE = 0.3  # of the ink in convincing digits other than ones, before touching ones are cut: any bar is a 1
GOOD_SHARE = 0.9  # of convincing shapes: no other segmentation is tried
DIGITS_SHARE = 0.8  # of shapes that are digits; other shapes of their size on such a sheet are doubtful digits
DOUBTFUL_SIZES = (0.7, 1.5)  # of a doubtful digit, relative to the typical size
# The log-odds that a shape is several digits: weights of a logistic regression on 9,857 shapes of made pages, 423 of
# them two digits that touch (tools/number_pages.py, pages 0 to 79 of each paper).
WHOLE_WEIGHT = -0.93  # of the log-odds of the shape as one digit
PARTS_WEIGHT = 1.04  # of the log-odds of its least convincing part
WIDTH_WEIGHT = 9.7  # of its width beyond the usual one
USUAL_WIDTH = 1.25  # relative to the typical size of a digit
CERTAIN = 0.9999  # log-odds are not computed beyond this confidence


@dataclass(frozen=True, eq=False)
class SheetDigit:
    """A digit of a sheet."""

    image: Array
    """uint8 [28, 28]"""
    label: int
    box: RelativeBox
    line: int
    """of the sheet, from 0"""


@dataclass(frozen=True, eq=False)
class Sheet:
    """The digits of a sheet in the order of reading, and the segmentation that found them."""

    segmentation: Segmentation
    digits: Sequence[SheetDigit]


@dataclass(frozen=True, eq=False)
class Judged:
    """Shapes with their images uint8 [N, 28, 28], the labels int [N] of the digits that they may be, and their
    confidences float32 [N]."""

    shapes: Sequence[Shape]
    images: Array
    labels: Array
    confidences: Array

    def chosen(self, indices: Array) -> "Judged":
        """Those with these indices, in their order."""
        shapes = [self.shapes[index] for index in indices]
        return Judged(shapes, self.images[indices], self.labels[indices], self.confidences[indices])


def to_sheet_size(picture: Image.Image) -> Array:
    """Brightness uint8 [H, W] of a picture that `orient` returned, at the working size."""
    smallest, largest = SHEET_SIZES
    longer = max(picture.size)
    scale = min(max(longer, smallest), largest) / longer
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    method = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return np.asarray(picture.convert("L").resize(size, method))


def read_sheet(gray: Array, predict: Predict) -> Sheet | None:
    """The digits of a sheet, brightness uint8 [H, W]; None if most of its shapes are no digits. `predict` judges the
    shapes."""
    brightness = ndimage.gaussian_filter(gray.astype(np.float32) / 255, 0.7)
    best, best_score = None, 0.0
    for segmentation in _segmentations(brightness):
        found = _segment(brightness, segmentation)
        if found is None:
            continue
        ink, shapes = found
        judged = _judge(shapes, ink, predict)
        if _share_of_digits(judged, without_ones=True) < MIN_OTHER_SHARE:
            continue
        judged = _examine(judged, ink, typical_size(shapes), predict)
        is_other = judged.labels != 1  # rests of ruled lines are convincing ones
        score = float((judged.confidences - MIN_CONFIDENCE)[is_other].sum())
        if score > best_score:
            best, best_score = (segmentation, judged), score
        if len(shapes) > 1 and (judged.confidences >= CONVINCING).mean() >= GOOD_SHARE:
            break
    if best is None:
        return None
    segmentation, judged = best
    if _share_of_digits(judged) < MIN_SHARE:
        return None
    digits = _keep_digits(judged, typical_size(judged.shapes))
    return Sheet(segmentation, _in_order(digits, gray.shape))


def _share_of_digits(judged: Judged, *, without_ones: bool = False) -> float:
    """The share of the inked pixels that are in convincing digits."""
    pixels = np.array([shape.mask.sum() for shape in judged.shapes])
    is_digit = judged.confidences >= CONVINCING
    if without_ones:
        is_digit &= judged.labels != 1
    return float(pixels[is_digit].sum() / pixels.sum())


def _segmentations(brightness: Array) -> Iterator[Segmentation]:
    """The simplest and most likely ones first."""
    darkest, paper, brightest = np.percentile(brightness, [1, 50, 99])
    is_dark = bool(paper - darkest >= brightest - paper)
    for window in BACKGROUND_WINDOWS:
        for dark in (is_dark, not is_dark):
            for faint in (False, True):
                yield Segmentation(window, dark, faint, clear_border=True)


def _segment(brightness: Array, segmentation: Segmentation) -> tuple[Array, list[Shape]] | None:
    """The relative ink float32 [H, W] and its shapes; None if there are none."""
    seen = brightness if segmentation.dark else 1 - brightness
    ink = measure_ink(seen, segmentation.window, SMOOTHING)
    if ink is None:
        return None
    mask = ink.smooth > LOW * ink_threshold(ink.smooth, segmentation.faint)
    mask = remove_edge_regions(label_components(mask)) > 0
    mask = remove_ruled_lines(mask)
    shapes = find_shapes(mask, ink.smooth)
    return (ink.relative, shapes) if shapes else None


def _judge(shapes: Sequence[Shape], ink: Array, predict: Predict) -> Judged:
    images = np.stack([_image_of(shape, ink) for shape in shapes])
    probabilities = predict(images)
    return Judged(shapes, images, probabilities.argmax(1), probabilities.max(1))


def _image_of(shape: Shape, ink: Array) -> Array:
    """The digit uint8 [28, 28] of a shape."""
    margin = max(2, round(0.05 * longer_side(shape.box)))
    rows, columns = enlarged_box(shape.box, margin)
    around = ink[rows, columns]
    mask = np.zeros(around.shape, bool)
    top, left = shape.box[0].start - rows.start, shape.box[1].start - columns.start
    mask[top : top + shape.height, left : left + shape.width] = shape.mask
    return normalize_digit(around, mask)


def _examine(judged: Judged, ink: Array, size: float, predict: Predict) -> Judged:
    """The same with parts in place of the shapes that are more likely several digits."""
    alternatives: list[list[Sequence[Shape]]] = []
    for shape, confidence in zip(judged.shapes, judged.confidences, strict=True):
        may_be_several = _several_log_odds(shape, confidence, CERTAIN, size) > 0
        alternatives.append(list(_alternatives(shape, size)) if may_be_several else [])
    parts = [part for ways in alternatives for way in ways for part in way]
    if not parts:
        return judged
    both = _joined(judged, _judge(parts, ink, predict))
    chosen: list[int] = []
    start = len(judged.shapes)
    for index, ways in enumerate(alternatives):
        best, best_log_odds = [index], 0.0
        for way in ways:
            indices = list(range(start, start + len(way)))
            start += len(way)
            least = float(both.confidences[indices].min())
            log_odds = _several_log_odds(judged.shapes[index], judged.confidences[index], least, size)
            if least >= CONVINCING and log_odds > best_log_odds:
                best, best_log_odds = indices, log_odds
        chosen += best
    return both.chosen(np.array(chosen))


def _several_log_odds(shape: Shape, confidence: float, least_confidence: float, size: float) -> float:
    """The log-odds that a shape is several digits, from the confidences of the shape and of its least convincing
    part."""
    width = shape.width / size - USUAL_WIDTH
    return WHOLE_WEIGHT * _log_odds(confidence) + PARTS_WEIGHT * _log_odds(least_confidence) + WIDTH_WEIGHT * width


def _log_odds(confidence: float) -> float:
    confidence = min(max(confidence, 1 - CERTAIN), CERTAIN)
    return float(np.log(confidence / (1 - confidence)))


def _joined(one: Judged, other: Judged) -> Judged:
    return Judged(
        [*one.shapes, *other.shapes],
        np.concatenate([one.images, other.images]),
        np.concatenate([one.labels, other.labels]),
        np.concatenate([one.confidences, other.confidences]),
    )


def _alternatives(shape: Shape, size: float) -> Iterator[Sequence[Shape]]:
    """The parts of a shape that may be several digits, in several ways."""
    if shape.parts:
        yield shape.parts
    if shape.width > 0.5 * size and shape.height > 0.4 * size:
        yield from cuts(shape)


def _keep_digits(judged: Judged, size: float) -> Judged:
    """The shapes that are digits, and of a sheet of digits also the doubtful ones of their size."""
    smallest, largest = USUAL_SIZES
    sizes = np.array([longer_side(shape.box) for shape in judged.shapes])
    is_usual = (smallest * size <= sizes) & (sizes <= largest * size)
    kept = judged.confidences >= np.where(is_usual, MIN_CONFIDENCE, ODD_CONFIDENCE)
    if kept.mean() >= DIGITS_SHARE:
        smallest, largest = DOUBTFUL_SIZES
        kept |= (smallest * size <= sizes) & (sizes <= largest * size)
    return judged.chosen(np.flatnonzero(kept))


def _in_order(judged: Judged, shape: tuple[int, ...]) -> list[SheetDigit]:
    digits = []
    for line, indices in enumerate(reading_order([shape.box for shape in judged.shapes])):
        for index in indices:
            box = relative_box(judged.shapes[index].box, shape)
            digits.append(SheetDigit(judged.images[index], int(judged.labels[index]), box, line))
    return digits

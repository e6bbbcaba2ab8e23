"""Measures `several=all` on made pages: 2 to 60 of MNIST's test digits in lines or columns, of uneven sizes, some of
them touching, on plain, ruled or squared paper, in daylight or with a shadow.

    python -m tools.number_pages --root data
    python -m tools.number_pages --save FOLDER        saves the pages

No real photographs are included. A digit of the page is found if the box of a predicted digit overlaps its box by half
of their union. It is missed otherwise, and wrong if it is found with another label. A predicted digit without one on
the page is invented.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from digits.data.mnist_files import read_mnist
from digits.data.pictures.masks import Array, bounding_box
from digits.errors import InputError
from digits.prediction.read import read_all
from tools.picture_scenes import draw_strokes, illumination

PAPERS = ("plain", "ruled", "squared", "shadow", "pencil", "chalk", "noise")
MIN_INK = 0.5  # of a pixel of a stroke
MIN_OVERLAP = 0.5  # of two boxes, relative to their union


@dataclass(frozen=True)
class PageDigit:
    """A digit of a made page."""

    label: int
    box: tuple[int, int, int, int]
    """left, top, right, bottom in pixels"""
    line: int
    touches: bool
    """whether its strokes touch those of a neighbor"""


@dataclass(frozen=True)
class Counts:
    """Digits of pages, and the failures among them."""

    digits: int = 0
    wrong: int = 0
    missed: int = 0
    invented: int = 0
    disordered: int = 0
    """pages on which the found digits are not in the order of reading"""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.digits + other.digits,
            self.wrong + other.wrong,
            self.missed + other.missed,
            self.invented + other.invented,
            self.disordered + other.disordered,
        )

    @property
    def failures(self) -> int:
        return self.wrong + self.missed + self.invented

    def __str__(self) -> str:
        rate = self.failures / max(self.digits, 1)
        parts = (
            f"{self.wrong} wrong, {self.missed} missed, {self.invented} invented, {self.disordered} pages disordered"
        )
        return f"{rate:6.1%} of {self.digits:,}: {parts}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST/raw (default: data)")
    parser.add_argument("--count", type=int, default=20, help="pages per paper (default: 20)")
    parser.add_argument("--papers", nargs="*", choices=PAPERS, default=PAPERS)
    parser.add_argument("--start", type=int, default=0, help="index of the first page (default: 0)")
    parser.add_argument("--save", type=Path, help="only save the pages in this folder")
    options = parser.parse_args()
    images, labels = (tensor.numpy() for tensor in read_mnist(options.root, "t10k", download=True))
    total, touching_total = Counts(), Counts()
    for paper in options.papers:
        counts = Counts()
        for index in range(options.start, options.start + options.count):
            picture, page = make_page(images, labels, paper, index)
            if options.save:
                options.save.mkdir(parents=True, exist_ok=True)
                picture.save(options.save / f"{paper}-{index}.png")
                continue
            all_digits, touching = measure_page(picture, page)
            counts += all_digits
            touching_total += touching
        total += counts
        if not options.save:
            print(f"{paper:<10}{counts}", flush=True)
    if not options.save:
        print(f"{'all':<10}{total}\n{'touching':<10}{touching_total}")


def measure_page(picture: Image.Image, page: Sequence[PageDigit]) -> tuple[Counts, Counts]:
    """The failures among all digits of a page, and among those that touch. A page that is refused misses all."""
    try:
        readings = read_all(picture)
    except InputError:
        readings = []
    found: dict[int, int] = {}  # the digit of the page for each predicted one
    for number, reading in enumerate(readings):
        overlaps = [overlap(reading.box, digit.box) for digit in page]
        best = int(np.argmax(overlaps))
        if overlaps[best] >= MIN_OVERLAP and best not in found.values():
            found[number] = best
    wrong = {best for number, best in found.items() if readings[number].label != page[best].label}
    missed = set(range(len(page))) - set(found.values())
    in_order = list(found.values()) == sorted(found.values())
    invented = len(readings) - len(found)
    touching = {index for index, digit in enumerate(page) if digit.touches}
    return (
        Counts(len(page), len(wrong), len(missed), invented, int(not in_order)),
        Counts(len(touching), len(wrong & touching), len(missed & touching)),
    )


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """The intersection of two boxes left, top, right, bottom relative to their union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)


def make_page(images: Array, labels: Array, paper: str, index: int) -> tuple[Image.Image, list[PageDigit]]:
    """A picture of a page, and its digits in the order of reading. The same arguments make the same page."""
    generator = np.random.default_rng([PAPERS.index(paper), index])
    size = int(generator.integers(28, 90))  # pixels of a digit
    columns, rows = _layout(generator)
    spacing = int(size * generator.uniform(1.5, 1.9))  # between lines
    stroke = generator.uniform(0.8, 1.2)
    slope = generator.uniform(-0.03, 0.03)  # of a line
    margin = size
    width = margin * 2 + int(columns * size * 1.2)
    height = margin * 2 + rows * spacing
    ink = np.zeros((height, width), np.float32)
    page: list[PageDigit] = []
    for row in range(rows):
        left = margin + int(generator.integers(0, size // 2))
        for column in range(columns):
            touches = column > 0 and generator.random() < 0.05
            chosen = int(generator.integers(len(images)))
            side = int(size * 1.4 * generator.uniform(0.8, 1.15))
            strokes = _drawn(images[chosen], side, stroke)
            wobble = int(generator.integers(-size // 10, size // 10 + 1)) + round(slope * left)
            top = margin + row * spacing + (size - strokes.shape[0]) // 2 + wobble
            if touches:
                left = _touching_left(ink, strokes, top, left)
                page[-1] = PageDigit(page[-1].label, page[-1].box, row, True)
            if left + strokes.shape[1] > width - margin // 4:
                break
            where = (slice(top, top + strokes.shape[0]), slice(left, left + strokes.shape[1]))
            ink[where] = np.maximum(ink[where], strokes)
            box = (left, top, left + strokes.shape[1], top + strokes.shape[0])
            page.append(PageDigit(int(labels[chosen]), box, row, touches))
            left += strokes.shape[1] + int(size * generator.uniform(0.15, 0.4))
    return _photographed(ink, size, paper, generator), page


def _layout(generator: np.random.Generator) -> tuple[int, int]:
    """Columns and rows of 2 to 60 digits: a line, a column or a block."""
    kind = generator.integers(4)
    if kind == 0:
        return int(generator.integers(2, 9)), 1
    if kind == 1:
        return 1, int(generator.integers(2, 9))
    columns = int(generator.integers(3, 11))
    return columns, int(generator.integers(2, 60 // columns + 1))


def _drawn(digit: Array, side: int, stroke: float) -> Array:
    """The strokes of a digit without a margin, float32 [h, w] in [0, 1]. A thin pen does not break them."""
    parts = _count_parts(digit / 255, 0.2)
    for wider in (stroke, 1.0, 1.4, 2.0):
        strokes = draw_strokes(digit, side, wider)
        if 1 <= _count_parts(strokes, MIN_INK) <= parts:
            break
    return np.asarray(strokes[bounding_box(strokes > MIN_INK)], dtype=np.float32)


def _count_parts(strokes: Array, min_ink: float) -> int:
    _, count = ndimage.label(strokes > min_ink, np.ones((3, 3)))
    return int(count)


def _touching_left(ink: Array, strokes: Array, top: int, left: int) -> int:
    """The column at which strokes that move to the left first touch the ink."""
    rows = slice(top, top + strokes.shape[0])
    for start in range(left, max(left - strokes.shape[1] - strokes.shape[0], 0), -1):
        under = ink[rows, start : start + strokes.shape[1]]
        if ((under > MIN_INK) & (strokes[:, : under.shape[1]] > MIN_INK)).any():
            return start
    return left


def _photographed(ink: Array, size: int, paper: str, generator: np.random.Generator) -> Image.Image:
    """The ink on paper, with its light and noise, as a JPEG."""
    height, width = ink.shape
    color = (48, 66, 56) if paper == "chalk" else (226, 220, 206)
    pens = [(25, 25, 30), (30, 45, 125), (150, 35, 35)]
    pen = (225, 225, 215) if paper == "chalk" else pens[generator.integers(len(pens))]
    contrast = 0.3 if paper == "pencil" else 1.0
    background = np.ones((height, width, 1)) * color
    rows, columns = np.mgrid[:height, :width]
    spacing = 0.6 * size
    if paper in ("ruled", "squared"):
        background[(rows + 0.01 * columns) % spacing < max(1, 0.02 * size)] = (160, 178, 210)
    if paper == "squared":
        background[(columns + 0.01 * rows) % spacing < max(1, 0.02 * size)] = (160, 178, 210)
    strength = (ink * contrast)[..., None]
    values = background * (1 - strength) + np.array(pen) * strength
    light = illumination(height, width, generator, 0.4)
    if paper == "shadow":
        slope = generator.uniform(-1, 1)
        edge = rows / height + slope * (columns / width - 0.5)
        light = light * np.where(edge > generator.uniform(0.3, 0.7), 0.6, 1)
    values = values * light[..., None]
    noise = 12 if paper == "noise" else 4
    values = ndimage.gaussian_filter(values, (0.6, 0.6, 0)) + generator.normal(scale=noise, size=values.shape)
    file = BytesIO()
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=int(generator.integers(60, 93)))
    return Image.open(file)


if __name__ == "__main__":
    main()

"""The preview: for each picture the input, the network's image of it and how it was found, and the three most likely
digits."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.files import atomic_write
from digits.prediction.chunks import DigitSource, PredictedChunk

CELL_WIDTH, CELL_HEIGHT = 3.6, 1.5
MAX_COLUMNS = 4
THUMBNAIL_SIDE = 1.1


@dataclass(frozen=True)
class Cell:
    """A predicted picture."""

    source: DigitSource
    image: NDArray[np.uint8]
    """[28, 28]"""
    probabilities: NDArray[np.float32]
    """[10]"""


def save_preview(chunks: Sequence[PredictedChunk], path: str) -> None:
    """Saves a PNG. Raises InputError if it cannot be written."""
    cells = []
    for chunk in chunks:
        digits, predictions = chunk.digits, chunk.predictions
        parts = zip(digits.sources, digits.images, predictions.probabilities, strict=True)
        cells += [Cell(source, image, probabilities) for source, image, probabilities in parts]
    columns = min(MAX_COLUMNS, len(cells))
    rows = ceil(len(cells) / columns)
    figure = Figure(figsize=(CELL_WIDTH * columns, 1.6 * rows + 0.5), layout="constrained")
    axis = figure.subplots()
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        _draw_cell(axis, cell, CELL_WIDTH * column, CELL_HEIGHT * row)
    axis.set(xlim=(0, CELL_WIDTH * columns), ylim=(CELL_HEIGHT * rows, 0), aspect="equal")
    axis.set_axis_off()
    title_size = 10 if columns > 1 else 6.5  # as wide as one column
    axis.set_title("input, the image that the network sees, the three most likely digits", fontsize=title_size)
    with atomic_write(path) as temp_path:
        figure.savefig(temp_path, dpi=120, format="png")


def _draw_cell(axis: Axes, cell: Cell, left: float, top: float) -> None:
    name = Path(cell.source.file).name[-40:]
    axis.text(left + 0.1, top + 0.12, printable(name), fontsize=7, va="center", parse_math=False)
    axis.text(left + 0.1, top + 1.41, cell.source.description, fontsize=5, color="0.45", va="center")
    _draw_thumbnail(axis, cell.source, left + 0.65, top + 0.75)
    extent = (left + 1.3, left + 2.4, top + 1.3, top + 0.2)
    axis.imshow(cell.image, extent=extent, cmap="gray", vmin=0, vmax=255)
    most_likely = np.argsort(-cell.probabilities)[:3]
    for line, digit in enumerate(most_likely):
        text = f"{digit}  {cell.probabilities[digit]:.1%}"
        size, color = (15, "0") if line == 0 else (9, "0.45")
        axis.text(left + 2.5, top + 0.4 + 0.32 * line, text, fontsize=size, color=color, va="center")


def _draw_thumbnail(axis: Axes, source: DigitSource, x: float, y: float) -> None:
    """Draws the thumbnail with its center at (x, y)."""
    assert source.thumbnail is not None
    height, width, _ = source.thumbnail.shape
    longer_side = max(height, width)
    half_height = THUMBNAIL_SIDE * height / longer_side / 2
    half_width = THUMBNAIL_SIDE * width / longer_side / 2
    axis.imshow(source.thumbnail, extent=(x - half_width, x + half_width, y + half_height, y - half_height))


def printable(name: str) -> str:
    """The name with � in place of characters that the font does not have."""
    letters = []
    for letter in name:
        has_glyph = letter.isprintable() and ord(letter) < 0x500
        letters.append(letter if has_glyph else "�")
    return "".join(letters)

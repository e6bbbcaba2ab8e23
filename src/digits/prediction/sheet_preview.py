"""The preview of pictures whose digits are all read: each picture with the boxes of its digits and their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digits.files import atomic_write
from digits.prediction.chunks import DigitPlace, PredictedChunk
from digits.prediction.preview import printable

MAX_COLUMNS = 3
WIDTH = 5.0  # inches of a picture
DOUBTFUL = 0.9  # confidence below which a digit is drawn in another color
SURE_COLOR, DOUBTFUL_COLOR = "#0a7d28", "#c2185b"


@dataclass(frozen=True)
class ReadPicture:
    """A picture and its digits."""

    file: str
    thumbnail: NDArray[np.uint8]
    """[h, w, 3]"""
    digits: list[tuple[DigitPlace, int, float]] = field(default_factory=list)
    """place, label and confidence"""


def save_sheet_preview(chunks: Sequence[PredictedChunk], path: str) -> None:
    """Saves a PNG. Raises InputError if it cannot be written."""
    pictures = _pictures(chunks)
    columns = min(MAX_COLUMNS, len(pictures))
    rows = ceil(len(pictures) / columns)
    highest = max(picture.thumbnail.shape[0] / picture.thumbnail.shape[1] for picture in pictures)
    figure = Figure(figsize=(WIDTH * columns, WIDTH * min(highest, 1.5) * rows + 0.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, picture in zip(axes, pictures, strict=False):
        _draw(axis, picture)
    with atomic_write(path) as temp_path:
        figure.savefig(temp_path, dpi=120, format="png")


def _pictures(chunks: Sequence[PredictedChunk]) -> list[ReadPicture]:
    pictures: list[ReadPicture] = []
    for chunk in chunks:
        for source, probabilities in zip(chunk.digits.sources, chunk.predictions.probabilities, strict=True):
            assert source.place is not None
            assert source.thumbnail is not None
            if source.place.index == 1:
                pictures.append(ReadPicture(source.file, source.thumbnail))
            label = int(probabilities.argmax())
            pictures[-1].digits.append((source.place, label, float(probabilities[label])))
    return pictures


def _draw(axis: Axes, picture: ReadPicture) -> None:
    height, width, _ = picture.thumbnail.shape
    axis.imshow(picture.thumbnail)
    axis.set_title(printable(Path(picture.file).name[-40:]), fontsize=8, parse_math=False)
    for place, label, confidence in picture.digits:
        left, top, right, bottom = place.box
        scale = width / place.size[0], height / place.size[1]
        corner = left * scale[0], top * scale[1]
        color = SURE_COLOR if confidence >= DOUBTFUL else DOUBTFUL_COLOR
        box = Rectangle(corner, (right - left) * scale[0], (bottom - top) * scale[1], fill=False, edgecolor=color)
        axis.add_patch(box)
        axis.text(*corner, str(label), fontsize=9, color=color, va="bottom", ha="left")

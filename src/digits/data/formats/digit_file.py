"""A file of digits that is read in chunks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.data.formats.arrays import (
    FULL_RANGE,
    Array,
    Layout,
    ValueRange,
    find_layout,
    find_range,
    read_labels,
)
from digits.data.formats.resize import resize_to_mnist

RANGE_IMAGES = 1000
"""The first images, which decide on the range of values of a file."""


class DigitChunk(NamedTuple):
    """Consecutive digits of a file."""

    images: Array
    """uint8 [N, 28, 28]"""
    labels: Array | None
    """int64 [N]"""


@dataclass(frozen=True)
class DigitFile:
    """An open file of digits. `chunks` reads it lazily, once. Errors further on in the file are raised by `chunks`."""

    description: str
    """of what was recognized: `x_test uint8 [10000, 28, 28], labels y_test`"""
    chunks: Iterator[DigitChunk]
    files: Sequence[Path]
    progress: Callable[[], float | None]
    """the fraction that has been read; None if the size is not known"""


@dataclass(frozen=True)
class InputFile:
    """A file on disk, and its name for messages: that of an unpacked file is its name in the archive."""

    path: Path
    name: str


@dataclass(frozen=True)
class NamedArray:
    """An array in memory or in a mapped file, and its name for messages and descriptions."""

    name: str
    values: Array

    def describe(self) -> str:
        shape = list(self.values.shape)
        return f"{self.name} {self.values.dtype} {shape}".strip()


def open_arrays(file: InputFile, images: NamedArray, labels: NamedArray | None, chunk_size: int) -> DigitFile:
    """The digits of an array of images, and of labels if they are known.

    Raises InputError for arrays that are no images or labels of digits."""
    where = f"{file.name}, {images.name}" if images.name else file.name
    layout = find_layout(images.values.shape, where)
    count = 1 if layout.axis is None else images.values.shape[layout.axis]
    value_range = find_range(_part(images.values, layout, 0, RANGE_IMAGES), count, where)
    parts = [images.describe()]
    if value_range != FULL_RANGE:
        parts.append(f"values {value_range.describe()}")
    if layout.side != 28:
        parts.append(f"{layout.side}×{layout.side} pixels scaled to 28×28 as pictures are")
    label_values = None
    if labels is not None:
        label_values = read_labels(labels.values, count, f"{file.name}, {labels.name}")
        parts.append(f"labels {labels.name}")
    reader = ArrayReader(images.values, label_values, layout, value_range, where)
    starts = range(0, count, chunk_size)
    position = Position(count)
    return DigitFile(", ".join(parts), reader.read(starts, chunk_size, position), [file.path], position.fraction)


class Position:
    """The number of digits that have been read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.done = 0

    def fraction(self) -> float:
        return self.done / self.count


@dataclass(frozen=True)
class ArrayReader:
    """Reads chunks of an array, which may be mapped from a file that is larger than memory."""

    images: Array
    labels: Array | None
    layout: Layout
    value_range: ValueRange
    where: str

    def read(self, starts: range, size: int, position: Position) -> Iterator[DigitChunk]:
        for start in starts:
            part = _part(self.images, self.layout, start, start + size)
            pixels = self.value_range.to_uint8(self.layout.images(part), self.where)
            pixels = resize_to_mnist(pixels)
            labels = None if self.labels is None else self.labels[start : start + size]
            position.done = start + len(pixels)
            yield DigitChunk(np.ascontiguousarray(pixels), labels)


def _part(images: Array, layout: Layout, start: int, end: int) -> Array:
    """The images from `start` to `end`, in the layout of the array."""
    if layout.axis is None:
        return images
    selection = [slice(None)] * images.ndim
    selection[layout.axis] = slice(start, end)
    return images[tuple(selection)]

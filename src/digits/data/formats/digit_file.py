"""A file of digits that is read in chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.data.formats.arrays import (
    FULL_RANGE,
    Array,
    Layout,
    ValueRange,
    find_label_end,
    find_layout,
    find_range,
    is_table,
    read_labels,
)
from digits.data.formats.resize import resize_to_mnist
from digits.errors import InputError

RANGE_IMAGES = 1000
"""The first images, which decide on the range of values of a file."""


@dataclass(frozen=True)
class FileChunk:
    """Consecutive digits of a file."""

    images: Array
    """uint8 [N, 28, 28]"""
    labels: Array | None
    """int64 [N]"""
    progress: float | None
    """the fraction of the file that is read with this chunk; None if its size is not known"""


@dataclass(frozen=True)
class DigitFile:
    """An open file of digits. `chunks` reads it lazily, once. Errors further on in the file are raised by `chunks`."""

    description: str
    """of what was recognized: `x_test uint8 [10000, 28, 28], labels y_test`"""
    chunks: Iterator[FileChunk]
    files: Sequence[Path]
    """the file, and a file of labels beside it"""


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
    if labels is None and is_table(images.values.shape):
        images, labels = _split_table(images)
    layout = find_layout(images.values.shape, where)
    count = 1 if layout.axis is None else images.values.shape[layout.axis]
    value_range = find_range(_part(images.values, layout, 0, RANGE_IMAGES), count, where)
    parts = [images.describe(), *describe_changes(layout, value_range)]
    label_values = None
    if labels is not None:
        label_values = read_labels(labels.values, count, f"{file.name}, {labels.name}")
        parts.append(f"labels {labels.name}")
    reader = ArrayReader(images.values, label_values, layout, value_range, where)
    return DigitFile(", ".join(parts), reader.read_chunks(count, chunk_size), [file.path])


def describe_changes(layout: Layout, value_range: ValueRange) -> list[str]:
    """What is done to the images of a file."""
    parts = []
    if value_range != FULL_RANGE:
        parts.append(f"values {value_range.describe()}")
    if layout.side != 28:
        parts.append(f"{layout.side}×{layout.side} pixels scaled to 28×28 as pictures are")
    return parts


def _split_table(table: NamedArray) -> tuple[NamedArray, NamedArray]:
    """The images and the labels of an array [N, 785], in which the first or the last column is the label."""
    values = table.values
    if find_label_end(values[:, 0], values[:, -1]) == "last":
        images, labels, place = values[:, :-1], values[:, -1], "the last column"
    else:
        images, labels, place = values[:, 1:], values[:, 0], "the first column"
    return NamedArray(table.name, images), NamedArray(place, labels)


@dataclass(frozen=True)
class ArrayReader:
    """Reads chunks of an array, which may be mapped from a file that is larger than memory."""

    images: Array
    labels: Array | None
    layout: Layout
    value_range: ValueRange
    where: str

    def read_chunks(self, count: int, size: int) -> Iterator[FileChunk]:
        for start in range(0, count, size):
            end = min(start + size, count)
            part = _part(self.images, self.layout, start, end)
            pixels = convert_values(self.layout.images(part), self.value_range, start, self.where)
            images = np.array(resize_to_mnist(pixels))  # a copy: the file may be mapped
            labels = None if self.labels is None else self.labels[start:end]
            yield FileChunk(images, labels, end / count)


def convert_values(images: Array, value_range: ValueRange, first: int, where: str) -> Array:
    """Images [N, side, side] of any number type as uint8. `first` is the index of the first one in the file.

    Raises InputError for a value outside of the range."""
    converted = value_range.to_uint8(images)
    if converted is not None:
        return converted
    index, *pixel = value_range.find_outside(images)
    value = images[(index, *pixel)]
    raise InputError(
        f"{where}: holds the value {value:g} at {[first + index, *pixel]}, but its first images range "
        f"{value_range.describe()}"
    )


def _part(images: Array, layout: Layout, start: int, end: int) -> Array:
    """The images from `start` to `end`, in the layout of the array."""
    if layout.axis is None:
        return images
    selection = [slice(None)] * images.ndim
    selection[layout.axis] = slice(start, end)
    return images[tuple(selection)]

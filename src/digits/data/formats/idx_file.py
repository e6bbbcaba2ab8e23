"""IDX files of any type, MNIST's own format (Y. LeCun): a header with the type and the sizes, then the values."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from digits.data.formats.arrays import Array, Layout, ValueRange, find_layout, find_range, read_labels
from digits.data.formats.digit_file import (
    RANGE_IMAGES,
    DigitFile,
    FileChunk,
    InputFile,
    convert_values,
    describe_changes,
)
from digits.data.formats.labels_file import find_labels_file
from digits.data.formats.resize import resize_to_mnist
from digits.errors import InputError
from digits.files import open_binary, translate_read_errors

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""The types of NumPy by the third byte of a file: big-endian."""
MAX_DIMENSIONS = 4


@dataclass(frozen=True)
class IdxHeader:
    """The type and the shape of the values."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    def describe(self) -> str:
        return f"{self.dtype.newbyteorder('=')} {list(self.shape)}"


class IdxReader:
    """An open IDX file. `name` is for messages."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file = file
        self.name = name
        self.peeked = b""
        self.header = self._read_header()
        self.count = self.header.shape[0]

    def _read_header(self) -> IdxHeader:
        zeros, kind, dimensions = self._read(2), self._read(1)[0], self._read(1)[0]
        if zeros != bytes(2) or kind not in TYPES or not 1 <= dimensions <= MAX_DIMENSIONS:
            raise InputError(f"{self.name}: not an IDX file; its first bytes are damaged")
        sizes = np.frombuffer(self._read(4 * dimensions), dtype=">i4").tolist()
        if min(sizes) < 1:
            raise InputError(f"{self.name}: empty; its header announces {sizes}")
        return IdxHeader(np.dtype(TYPES[kind]), tuple(sizes))

    def read(self, count: int) -> Array:
        """The next items [count, …]."""
        shape = (count, *self.header.shape[1:])
        content = self._read(prod(shape) * self.header.dtype.itemsize)
        return np.frombuffer(content, self.header.dtype).reshape(shape)

    def peek(self, count: int) -> Array:
        """The first items [count, …], which are read again."""
        items = self.read(count)
        self.peeked = items.tobytes()
        return items

    def _read(self, size: int) -> bytes:
        content, self.peeked = self.peeked[:size], self.peeked[size:]
        if len(content) < size:
            with translate_read_errors(self.name):
                content += self.file.read(size - len(content))
        if len(content) < size:
            raise InputError(f"{self.name}: ends before all that its header announces; copy or download it again")
        return content

    def require_end(self) -> None:
        """Raises InputError if data follow. Reading on to the end also verifies the checksum of a gzipped file."""
        with translate_read_errors(self.name):
            if self.file.read(1):
                raise InputError(f"{self.name}: holds more than its header announces; copy or download it again")


def open_idx(file: InputFile, stream: BinaryIO, chunk_size: int) -> DigitFile:
    """The images of a file, and the labels of the file beside it that belongs to it by its name.

    Raises InputError for a file that holds no images, for damaged files, and for another number of labels."""
    reader = IdxReader(stream, file.name)
    if len(reader.header.shape) == 1 or reader.header.shape[1:] == (8,):  # QMNIST's labels have eight columns
        raise InputError(f"{file.name}: labels, not images; give the file of the images")
    layout = find_layout(reader.header.shape, file.name)
    if layout.axis not in (None, 0):
        raise InputError(
            f"{file.name}: images along the last axis, {list(reader.header.shape)}; save them along the first"
        )
    count = 1 if layout.axis is None else reader.count
    parts = [reader.header.describe()]
    labels_path = find_labels_file(file.path, suffixes=("", ".gz"))
    labels = None
    files = [file.path]
    if labels_path is not None:
        labels = read_idx_labels(labels_path, count, file.path.name)
        files.append(labels_path)
    peeked = reader.count if layout.axis is None else min(RANGE_IMAGES, count)
    value_range = find_range(layout.images(reader.peek(peeked)), count, reader.name)
    parts += describe_changes(layout, value_range)
    if labels_path is not None:
        parts.append(f"labels {labels_path.name}")
    chunks = _read_chunks(reader, layout, value_range, labels, chunk_size)
    return DigitFile(", ".join(parts), chunks, files)


def _read_chunks(
    reader: IdxReader, layout: Layout, value_range: ValueRange, labels: Array | None, chunk_size: int
) -> Iterator[FileChunk]:
    if layout.axis is None:
        chunk_size = reader.count  # a single image: its rows are one chunk
    for start in range(0, reader.count, chunk_size):
        end = min(start + chunk_size, reader.count)
        values = layout.images(reader.read(end - start))
        images = resize_to_mnist(convert_values(values, value_range, start, reader.name))
        part = None if labels is None else labels[start:end]
        yield FileChunk(np.array(images), part, end / reader.count)
    reader.require_end()


def read_idx_labels(path: Path, count: int, images_name: str) -> Array:
    """The labels int64 [count] of a file; of QMNIST's eight columns the first one.

    Raises InputError for another number of labels, and for labels that are no digits."""
    with open_binary(path) as file:
        reader = IdxReader(file, str(path))
        if reader.count != count:
            raise InputError(f"{path}: holds {reader.count:,} labels for the {count:,} images of {images_name}")
        if len(reader.header.shape) > 2 or prod(reader.header.shape[1:]) > 10:
            raise InputError(f"{path}: not labels; an array {list(reader.header.shape)}")
        values = reader.read(count)
        reader.require_end()
    if values.ndim == 2 and values.shape[1] == 8:
        values = values[:, 0]
    return read_labels(values, count, str(path))

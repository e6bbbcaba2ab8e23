"""IDX files of any type and name are read as NumPy wrote their values."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from helpers import made_digits, text_of

from digits.data.formats.arrays import Array
from digits.data.formats.digit_file import DigitFile, InputFile
from digits.data.formats.idx_file import TYPES, open_idx
from digits.errors import InputError
from digits.files import open_binary

IMAGES, LABELS = (part.numpy() for part in made_digits(30))


def idx(values: Array, kind: int = 8) -> bytes:
    header = bytes([0, 0, kind, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
    return header + values.astype(TYPES[kind]).tobytes()


def open_file(path: Path, chunk_size: int = 8) -> DigitFile:
    return open_idx(InputFile(path, str(path)), open_binary(path), chunk_size)


def read(opened: DigitFile) -> tuple[Array, Array | None]:
    chunks = list(opened.chunks)
    labels = [chunk.labels for chunk in chunks if chunk.labels is not None]
    return np.concatenate([chunk.images for chunk in chunks]), np.concatenate(labels) if labels else None


@pytest.mark.parametrize("kind", [8, 11, 12, 13, 14])
@pytest.mark.parametrize("shape", [(30, 28, 28), (30, 784), (30, 28, 28, 1)])
def test_every_type_and_shape_is_read(tmp_path: Path, kind: int, shape: tuple[int, ...]) -> None:
    path = tmp_path / "a"
    path.write_bytes(idx(IMAGES.reshape(shape), kind))
    images, labels = read(open_file(path))
    assert np.array_equal(images, IMAGES)
    assert labels is None


@pytest.mark.parametrize(("images_name", "labels_name"), [
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"), ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
    ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"), ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"),
    ("own-images.idx", "own-labels.idx"),
])  # fmt: skip
def test_labels_are_found_by_the_name_of_the_images(tmp_path: Path, images_name: str, labels_name: str) -> None:
    for name, values in ((images_name, IMAGES), (labels_name, LABELS)):
        content = idx(values)
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    opened = open_file(tmp_path / images_name)
    assert f"labels {labels_name}" in opened.description
    assert np.array_equal(read(opened)[1], LABELS)  # type: ignore[arg-type]


def test_first_column_of_qmnists_labels_is_the_digit(tmp_path: Path) -> None:
    columns = np.zeros((30, 8), dtype=int)
    columns[:, 0] = LABELS
    columns[:, 1:] = 77
    (tmp_path / "qmnist-test-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "qmnist-test-labels-idx2-int").write_bytes(idx(columns, 12))
    _, labels = read(open_file(tmp_path / "qmnist-test-images-idx3-ubyte"))
    assert np.array_equal(labels, LABELS)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="labels, not images"):
        open_file(tmp_path / "qmnist-test-labels-idx2-int")


@pytest.mark.parametrize(("content", "message"), [
    (idx(LABELS), "labels, not images"), (idx(IMAGES)[:-1], "ends before"), (idx(IMAGES) + b"a", "holds more"),
    (bytes([0, 0, 7, 3]) + bytes(12), "first bytes are damaged"), (idx(IMAGES[:0]), "empty"),
    (b"\0\0\x08", "ends before"), (idx(np.zeros((2, 29, 29))), "29×29"),
], ids=text_of)  # fmt: skip
def test_damaged_and_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(open_file(tmp_path / "a"))


def test_other_number_of_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(idx(LABELS[:7]))
    with pytest.raises(InputError, match="holds 7 labels for the 30 images"):
        open_file(tmp_path / "t-images-idx3-ubyte")


def test_stream_is_read_in_chunks() -> None:
    opened = open_idx(InputFile(Path("a"), "a"), io.BytesIO(idx(IMAGES)), 16)
    assert [(len(chunk.images), chunk.progress) for chunk in opened.chunks] == [(16, 16 / 30), (14, 1)]


def test_images_along_the_last_axis_are_refused(tmp_path: Path) -> None:
    """They cannot be read in chunks."""
    (tmp_path / "a").write_bytes(idx(IMAGES[:9].transpose(1, 2, 0)))
    with pytest.raises(InputError, match=r"images along the last axis, \[28, 28, 9\]; save them along the first"):
        open_file(tmp_path / "a")


@pytest.mark.parametrize("chunk_size", [1, 10, 100])
def test_range_of_values_does_not_depend_on_the_chunk_size(tmp_path: Path, chunk_size: int) -> None:
    images = np.full((30, 28, 28), 16, np.uint8)
    images[0] = 0
    (tmp_path / "a").write_bytes(idx(images))
    opened = open_file(tmp_path / "a", chunk_size)
    assert opened.description == "uint8 [30, 28, 28], values from 0 to 16"
    read_images, _ = read(opened)
    assert read_images[0].max() == 0
    assert (read_images[1:] == 255).all()

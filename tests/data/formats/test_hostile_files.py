"""Files that announce more than they hold, and odd text, are refused in one line, and libraries print nothing."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import frame, made_digits
from scipy import sparse
from scipy.io import savemat

from digits.data.formats.open_file import open_digit_file
from digits.errors import InputError

IMAGES, LABELS = (part.numpy() for part in made_digits(12))
CHAR, CELL, STRUCTURE, DOUBLE = 4, 1, 2, 6
"""MATLAB's classes of arrays."""


@pytest.fixture(autouse=True)
def _nothing_is_printed() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        yield
    assert printed == []


def read(path: Path) -> int:
    """The number of digits that are read."""
    return sum(len(chunk.images) for chunk in open_digit_file(path, "test", 8).chunks)


def test_name_of_a_column_with_thousands_of_digits_is_not_a_pixel(tmp_path: Path) -> None:
    """Python converts at most 4,300 digits to an integer."""
    table = frame(made_digits(12)[0], None)
    table.insert(0, "x" + 5000 * "9", 1)
    table.to_csv(tmp_path / "a.csv", index=False)
    assert "not read: column 'x999" in open_digit_file(tmp_path / "a.csv", "test", 8).description
    assert read(tmp_path / "a.csv") == 12


def test_line_with_a_no_break_space_is_no_row(tmp_path: Path) -> None:
    row = " ".join(784 * ["7"])
    (tmp_path / "a.txt").write_text(f"{row}\n\N{NO-BREAK SPACE}\n{row}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.txt, row 2: 0 values, but the first row has 784"):
        read(tmp_path / "a.txt")


def test_marks_above_the_header_are_skipped_behind_the_mark_of_utf_8(tmp_path: Path) -> None:
    """Excel saves both."""
    text = "sep=;\n" + frame(made_digits(12)[0], None).to_csv(index=False, sep=";")
    (tmp_path / "a.csv").write_text(text, encoding="utf-8-sig")
    assert read(tmp_path / "a.csv") == 12


def test_labels_file_may_announce_any_size(tmp_path: Path) -> None:
    count = 2**31 - 1
    (tmp_path / "images-idx3-ubyte").write_bytes(struct.pack(">4B3i", 0, 0, 8, 3, count, 28, 28) + bytes(784))
    (tmp_path / "labels-idx1-ubyte").write_bytes(struct.pack(">4B2i", 0, 0, 14, 2, count, 10))
    with pytest.raises(InputError, match="labels-idx1-ubyte: (announces more than fits|ends before)"):
        read(tmp_path / "images-idx3-ubyte")


def npy(header: str, content: bytes) -> bytes:
    line = f"{header}\n".encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(line)) + line + content


@pytest.mark.parametrize(("header", "is_read"), [
    (r"{'descr': '\|u1', 'fortran_order': False, 'shape': (2, 28, 28), }", False),
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 28L, 28L), }", True),  # of Python 2
])  # fmt: skip
def test_odd_headers_of_arrays(tmp_path: Path, header: str, is_read: bool) -> None:
    (tmp_path / "a.npy").write_bytes(npy(header, IMAGES[:2].tobytes()))
    if is_read:
        assert read(tmp_path / "a.npy") == 2
    else:
        with pytest.raises(InputError, match=r"a\.npy: damaged"):
            read(tmp_path / "a.npy")


@pytest.mark.parametrize(("labels", "message"), [
    (np.where(LABELS == 3, 1e300, LABELS), r"the label 1e\+300 is not a digit"),
    (np.full(12, b"\xff"), "labels of the type |S1"),
])  # fmt: skip
def test_odd_labels(tmp_path: Path, labels: Any, message: str) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=labels)
    with pytest.raises(InputError, match=rf"a\.npz, y: {message}"):
        read(tmp_path / "a.npz")


def test_value_above_float32_behind_the_first_images(tmp_path: Path) -> None:
    images = np.zeros((1100, 28, 28))
    images[:, 5, 5] = 255
    images[1050, 3, 3] = 1e300
    np.save(tmp_path / "a.npy", images)
    with pytest.raises(
        InputError, match=r"a\.npy: holds the value 1e\+300 at \[1050, 3, 3\], but its first images range from 0 to 255"
    ):
        read(tmp_path / "a.npy")


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<2I", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(array_class: int, side: int, name: bytes, values: bytes) -> bytes:
    parts = element(6, struct.pack("<2I", array_class, 0)) + element(5, struct.pack("<2i", side, side))
    return element(14, parts + element(1, name) + values)


def mat_file(array_class: int, values: bytes, *, is_compressed: bool = False) -> bytes:
    """A variable X of 200×200 values, of which the file has only some."""
    content = matrix(array_class, 200, b"X", values)
    if is_compressed:
        packed = zlib.compress(content)
        content = struct.pack("<2I", 15, len(packed)) + packed
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + content


@pytest.mark.parametrize(("array_class", "values", "message"), [
    (CHAR, element(16, b""), "no array named"), (CELL, b"", "more than .* GB of arrays"),
    (STRUCTURE, element(5, struct.pack("<i", 32)) + element(1, b""), "more than .* GB of arrays"),
    (DOUBLE, element(9, b""), "more than .* GB of arrays"),
])  # fmt: skip
@pytest.mark.parametrize("is_compressed", [False, True])
def test_mat_file_may_announce_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, array_class: int, values: bytes, message: str, is_compressed: bool
) -> None:
    monkeypatch.setattr("digits.data.formats.matlab_size.MAX_MAT_BYTES", 100_000)
    (tmp_path / "a.mat").write_bytes(mat_file(array_class, values, is_compressed=is_compressed))
    with pytest.raises(InputError, match=rf"a\.mat: {message}"):
        read(tmp_path / "a.mat")


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("array_class", [CELL, STRUCTURE, CHAR, DOUBLE])
def test_arrays_in_a_cell_announce_no_more_than_they_have(
    tmp_path: Path, array_class: int, is_compressed: bool
) -> None:
    savemat(tmp_path / "right.mat", {"X": IMAGES, "y": LABELS})
    inner = matrix(array_class, 40, b"", element(1, bytes(8)))
    cell = matrix(CELL, 1, b"X", inner)
    if is_compressed:
        packed = zlib.compress(cell)
        cell = struct.pack("<2I", 15, len(packed)) + packed
    (tmp_path / "a.mat").write_bytes((tmp_path / "right.mat").read_bytes() + cell)
    with pytest.raises(InputError, match=r"a\.mat: damaged, or not a file of MATLAB"):
        read(tmp_path / "a.mat")


@pytest.mark.parametrize("is_compressed", [False, True])
def test_structures_and_cells_are_read(tmp_path: Path, is_compressed: bool) -> None:
    """EMNIST has a structure of structures."""
    part = {"images": IMAGES.reshape(-1, 784), "labels": LABELS.reshape(-1, 1)}
    names = np.array(["zero", "one"], dtype=object)
    dataset = {"train": part, "test": part, "writers": names, "empty": np.zeros((0, 3)), "sparse": sparse.eye_array(50)}
    savemat(tmp_path / "a.mat", {"dataset": dataset, "notes": names}, do_compression=is_compressed)
    assert read(tmp_path / "a.mat") == 12


@pytest.mark.parametrize("is_compressed", [False, True])
def test_mat_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_compressed: bool) -> None:
    savemat(tmp_path / "a.mat", {"X": IMAGES, "y": LABELS}, do_compression=is_compressed)
    assert read(tmp_path / "a.mat") == 12
    monkeypatch.setattr("digits.data.formats.matlab_size.MAX_MAT_BYTES", IMAGES.nbytes)
    with pytest.raises(InputError, match=r"a\.mat: more than .* GB of arrays; save the images as \.npy"):
        read(tmp_path / "a.mat")


def test_unpacked_values_of_a_mat_file_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More values than the sizes of the variable announce, compressed to a thousandth."""
    (tmp_path / "a.mat").write_bytes(mat_file(CHAR, element(2, bytes(200_000)), is_compressed=True))
    monkeypatch.setattr("digits.data.formats.matlab_size.MAX_MAT_BYTES", 100_000)
    with pytest.raises(InputError, match=r"a\.mat: more than .* GB of arrays"):
        read(tmp_path / "a.mat")

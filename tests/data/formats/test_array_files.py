"""NumPy's and MATLAB's files are read as the arrays that their own libraries wrote."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import made_digits, text_of
from scipy.io import savemat

from digits.data.formats.arrays import Array
from digits.data.formats.digit_file import DigitFile, InputFile
from digits.data.formats.matlab import open_mat
from digits.data.formats.numpy_files import open_npy, open_npz
from digits.errors import InputError


@pytest.fixture(scope="module")
def images() -> Array:
    return made_digits(30)[0].numpy()


@pytest.fixture(scope="module")
def labels() -> Array:
    return made_digits(30)[1].numpy()


def file(path: Path) -> InputFile:
    return InputFile(path, str(path))


def read(opened: DigitFile) -> tuple[Array, Array | None]:
    chunks = list(opened.chunks)
    images = np.concatenate([chunk.images for chunk in chunks])
    if chunks[0].labels is None:
        return images, None
    return images, np.concatenate([chunk.labels for chunk in chunks])  # type: ignore[misc]


def test_npy_is_read_in_chunks(tmp_path: Path, images: Array) -> None:
    path = tmp_path / "digits.npy"
    np.save(path, images.reshape(30, 784) / 255)
    opened = open_npy(file(path), "test", 7)
    assert opened.description == "float64 [30, 784], values from 0 to 1"
    chunks = list(opened.chunks)
    assert [len(chunk.images) for chunk in chunks] == [7, 7, 7, 7, 2]
    assert [chunk.progress for chunk in chunks] == [7 / 30, 14 / 30, 21 / 30, 28 / 30, 1]
    assert np.array_equal(read(open_npy(file(path), "test", 7))[0], images)


def resident_kilobytes(path: Path) -> int:
    """The memory of this process that holds pages of a file."""
    mappings = Path("/proc/self/smaps").read_text().split(str(path))[1:]
    return sum(int(mapping.partition("Rss:")[2].split()[0]) for mapping in mappings)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_of_an_array_do_not_stay_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "digits.npy"
    np.save(path, np.full((20_000, 28, 28), 200, np.uint8))  # 15 MB
    sizes = [resident_kilobytes(path) for _ in open_npy(file(path), "test", 1000).chunks]
    assert len(sizes) == 20
    assert 0 < max(sizes) < 8000


@pytest.mark.parametrize(("name", "labels_name"), [
    ("X_test.npy", "y_test.npy"), ("x_test.npy", "y_test.npy"), ("test_images.npy", "test_labels.npy"),
    ("X_test.npy", "Y_test.npy"),
])  # fmt: skip
def test_labels_beside_an_array_are_read(
    tmp_path: Path, images: Array, labels: Array, name: str, labels_name: str
) -> None:
    np.save(tmp_path / name, images)
    np.save(tmp_path / labels_name, labels)
    opened = open_npy(file(tmp_path / name), "test", 8)
    assert f"labels {labels_name}" in opened.description
    assert [path.name for path in opened.files] == [name, labels_name]
    assert np.array_equal(read(opened)[1], labels)  # type: ignore[arg-type]


@pytest.mark.parametrize(("names", "part", "expected"), [
    ({"x_train": 0, "y_train": 1, "x_test": 2, "y_test": 3}, "test", ("x_test", "labels y_test")),
    ({"x_train": 0, "y_train": 1, "x_test": 2, "y_test": 3}, "train", ("x_train", "labels y_train")),
    ({"test_images": 2, "test_labels": 3}, "test", ("test_images", "labels test_labels")),
    ({"test_X": 2, "test_labels": 3}, "test", ("test_X", "labels test_labels")),
    ({"X": 2, "y": 3}, "train", ("X uint8", "labels y")), ({"digits": 2}, "test", ("digits", "")),
    ({"x_train": 2, "y_train": 3}, "test", ("x_train", "labels y_train")),
])  # fmt: skip
def test_arrays_of_an_npz_file_are_chosen_by_name(
    tmp_path: Path, images: Array, labels: Array, names: dict[str, int], part: str, expected: tuple[str, str]
) -> None:
    values = [images[:20], labels[:20], images, labels]
    np.savez_compressed(tmp_path / "mnist.npz", **{name: values[index] for name, index in names.items()})
    opened = open_npz(file(tmp_path / "mnist.npz"), part, 8)
    assert opened.description.startswith(expected[0])
    assert opened.description.endswith(expected[1])
    wanted = images[:20] if expected[0] == "x_train" and 0 in names.values() else images
    assert np.array_equal(read(opened)[0], wanted)


@pytest.mark.parametrize(("content", "expected_side"), [
    (lambda images, labels: {"X": images.reshape(30, 784), "y": labels}, 28),
    (lambda images, labels: {"data": images.reshape(30, 784).T, "label": labels[None]}, 28),  # mldata
    (lambda images, labels: {"X": images.reshape(30, 784) / 255, "y": np.where(labels == 0, 10, labels)}, 28),
    (lambda images, labels: {"dataset": {"test": {"images": images.reshape(30, 784), "labels": labels[:, None]}}}, 28),
])  # fmt: skip
def test_mat_files_are_read(tmp_path: Path, images: Array, labels: Array, content: Any, expected_side: int) -> None:
    path = tmp_path / "digits.mat"
    savemat(path, content(images, labels))
    read_images, read_labels = read(open_mat(file(path), "test", 8))
    assert np.array_equal(read_images, images)
    assert np.array_equal(read_labels, labels)  # type: ignore[arg-type]


def test_images_of_20_by_20_in_column_order_are_upright(tmp_path: Path, images: Array) -> None:
    """As in A. Ng's ex3data1: each row of X is the transposed image."""
    small = images[:, 4:24, 4:24]
    savemat(tmp_path / "ex3data1.mat", {"X": small.transpose(0, 2, 1).reshape(30, 400) / 255})
    np.save(tmp_path / "upright.npy", small)
    of_mat, _ = read(open_mat(file(tmp_path / "ex3data1.mat"), "test", 8))
    upright, _ = read(open_npy(file(tmp_path / "upright.npy"), "test", 8))
    assert np.array_equal(of_mat, upright)


@pytest.mark.parametrize("side", [8, 16, 20, 32])
def test_images_of_other_sides_fill_mnists_box(tmp_path: Path, images: Array, side: int) -> None:
    from PIL import Image

    small = np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in images])
    np.save(tmp_path / "a.npy", small)
    opened = open_npy(file(tmp_path / "a.npy"), "test", 8)
    assert f"{side}×{side} pixels scaled to 28×28" in opened.description
    resized, _ = read(opened)
    assert resized.shape == (30, 28, 28)
    for image in resized:
        rows, columns = np.nonzero(image > 60)
        longer_side = 1 + max(np.ptp(rows), np.ptp(columns))
        assert 17 <= longer_side <= 20


def write_npz_with_objects(path: Path) -> None:
    np.savez(path, x_test=np.array([{}], dtype=object))


def write_npz_with_a_short_array(path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((5, 28, 28), np.uint8))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_test.npy", buffer.getvalue()[:-100])


@pytest.mark.parametrize(("write", "message"), [
    (write_npz_with_objects, r"a\.npz, x_test\.npy: holds Python objects"), (write_npz_with_a_short_array, "damaged"),
    (lambda path: np.savez(path, a=np.zeros(3), b=np.zeros(4)), r"no array named x_test.*it holds a \[3\], b \[4\]"),
    (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(50)), "damaged"),
])  # fmt: skip
def test_npz_files_without_images_are_refused(tmp_path: Path, write: Any, message: str) -> None:
    path = tmp_path / "a.npz"
    write(path)
    with pytest.raises(InputError, match=message):
        open_npz(file(path), "test", 8)


def test_npz_files_are_bounded(tmp_path: Path, images: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", x_test=images)
    monkeypatch.setattr("digits.data.formats.numpy_files.MAX_NPZ_BYTES", 20_000)
    with pytest.raises(InputError, match="save images as uint8 in an .npy file"):
        open_npz(file(tmp_path / "a.npz"), "test", 8)


@pytest.mark.parametrize(("content", "message"), [
    (b"MATLAB 5.0 MAT-file" + bytes(200), "damaged"), (b"", "damaged"),
], ids=text_of)  # fmt: skip
def test_damaged_mat_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_mat(file(path), "test", 8)

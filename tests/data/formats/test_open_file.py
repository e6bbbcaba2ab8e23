"""Every format is read, whatever its name, plain and in every archive."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data.formats.test_idx_file import idx, read
from helpers import frame, made_digits, text_of
from scipy.io import savemat

from digits.data.formats.open_file import open_digit_file
from digits.errors import InputError
from digits.prediction.inputs import open_input

IMAGES, LABELS = made_digits(30)


def csv_content() -> bytes:
    return frame(IMAGES, LABELS).to_csv(index=False).encode()


def npy_content() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, IMAGES.numpy())
    return buffer.getvalue()


def npz_content() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x_test=IMAGES.numpy(), y_test=LABELS.numpy())
    return buffer.getvalue()


def mat_content() -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, {"X": IMAGES.numpy(), "y": LABELS.numpy()})
    return buffer.getvalue()


def parquet_content() -> bytes:
    pytest.importorskip("pyarrow")
    buffer = io.BytesIO()
    frame(IMAGES, LABELS).to_parquet(buffer)
    return buffer.getvalue()


def idx_content() -> bytes:
    return idx(IMAGES.numpy())


def zip_content(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/digits", content)
        archive.writestr("README.md", "about the digits")
        archive.writestr("__MACOSX/._digits", "x")
    return buffer.getvalue()


FORMATS = [csv_content, npy_content, npz_content, mat_content, parquet_content, idx_content]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zip_content])
@pytest.mark.parametrize("content", FORMATS)
def test_every_format_is_read_whatever_its_name(
    tmp_path: Path, content: Callable[[], bytes], pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "digits").write_bytes(pack(content()))
    opened = open_digit_file(tmp_path / "digits", "test", 8)
    assert opened.files == [tmp_path / "digits"]
    images, labels = read(opened)
    assert np.array_equal(images, IMAGES.numpy())
    if content not in (npy_content, idx_content):
        assert np.array_equal(labels, LABELS.numpy())  # type: ignore[arg-type]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_progress_is_the_fraction_of_the_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "digits.csv").write_bytes(pack(csv_content()))
    fractions = [chunk.progress for chunk in open_digit_file(tmp_path / "digits.csv", "test", 8).chunks]
    assert fractions == sorted(fractions, key=lambda fraction: fraction or 0)
    assert fractions[-1] == 1


def test_unpacked_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "digits.zip").write_bytes(zip_content(npy_content()))
    read(open_digit_file(tmp_path / "digits.zip", "test", 8))
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize(("content", "message"), [
    (b"%PDF-1.7", "a PDF; save its pages as pictures"), (b"\x80\x04K\x01.", "a pickle, which could run any code"),
    (gzip.compress(b"\x80\x04K\x01."), "a pickle"), (b"", "empty"), (zip_content(b"<svg>"), "an SVG drawing"),
    (gzip.compress(b"<html>"), "a page of the web"),
], ids=text_of)  # fmt: skip
def test_other_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "digits").write_bytes(content)
    with pytest.raises(InputError, match=f"digits.*: {message}"):
        open_digit_file(tmp_path / "digits", "test", 8)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_digit_file(tmp_path / "digits", "test", 8)


def test_archive_with_several_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        archive.writestr("train.csv", csv_content())
        archive.writestr("test.csv", csv_content())
    with pytest.raises(InputError, match=r"2 files \(train\.csv, test\.csv, …\); unpack it"):
        open_digit_file(tmp_path / "digits.zip", "test", 8)


def damage_checksum(content: bytes) -> bytes:
    return gzip.compress(content)[:-8] + bytes(8)


def cut_bz2(content: bytes) -> bytes:
    return bz2.compress(content)[:-30]


def damage_xz(content: bytes) -> bytes:
    packed = bytearray(lzma.compress(content))
    packed[len(packed) // 2] ^= 255
    return bytes(packed)


def damage_directory(content: bytes) -> bytes:
    return zip_content(content).replace(b"PK\x01\x02", b"PK\x01\x03", 1)


@pytest.mark.parametrize("damage", [damage_checksum, cut_bz2, damage_xz, damage_directory])
@pytest.mark.parametrize("content", [csv_content, npy_content])
@pytest.mark.parametrize("pack", [bytes, zip_content])
def test_damaged_archives_are_one_line_with_the_name_of_the_file(
    tmp_path: Path, content: Callable[[], bytes], damage: Callable[[bytes], bytes], pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "digits").write_bytes(pack(damage(content())))
    with pytest.raises(InputError, match=rf"^{tmp_path}/digits[:,]"):
        read_input(tmp_path / "digits")


def read_input(path: Path) -> None:
    for _ in open_input(str(path), 8).chunks:
        pass


def test_archives_in_each_other_are_bounded(tmp_path: Path) -> None:
    """An archive can contain itself."""
    content = npy_content()
    for _ in range(5):
        content = gzip.compress(content)
    (tmp_path / "digits").write_bytes(content)
    with pytest.raises(InputError, match=r"digits: more than 3 archives in each other; unpack them"):
        open_digit_file(tmp_path / "digits", "test", 8)


@pytest.mark.parametrize("content", [csv_content, lambda: gzip.compress(csv_content()), idx_content])
def test_named_pipe_is_read_once(tmp_path: Path, content: Callable[[], bytes]) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[content()])
    writer.start()
    images, _ = read(open_digit_file(tmp_path / "pipe", "test", 8))
    writer.join()
    assert np.array_equal(images, IMAGES.numpy())


def test_other_formats_on_standard_input_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(npy_content())))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stdin", stream)
    with pytest.raises(InputError, match=r"standard input: this format \(npy\) cannot be read from a pipe; save it"):
        open_digit_file("-", "test", 8)


def test_compressed_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "digit.png.gz").write_bytes(gzip.compress(b"\x89PNG\r\n"))
    with pytest.raises(InputError, match="a picture in a pipe or in a compressed file; unpack it"):
        open_digit_file(tmp_path / "digit.png.gz", "test", 8)


def test_glob_of_one_file_of_digits_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(csv_content())
    read_input(tmp_path / "*.csv")
    (tmp_path / "b.csv").write_bytes(csv_content())
    with pytest.raises(InputError, match=r"matches 2 files, no picture \(a\.csv, b\.csv\); only one file of digits"):
        read_input(tmp_path / "*.csv")


def test_arrays_beside_files_that_systems_add_are_read(tmp_path: Path) -> None:
    """As the Finder packs them."""
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        archive.writestr("__MACOSX/._x_test.npy", "x")
        with zipfile.ZipFile(io.BytesIO(npz_content())) as arrays:
            for name in arrays.namelist():
                archive.writestr(name, arrays.read(name))
    images, labels = read(open_digit_file(tmp_path / "digits.zip", "test", 8))
    assert np.array_equal(images, IMAGES.numpy())
    assert np.array_equal(labels, LABELS.numpy())  # type: ignore[arg-type]


def test_readers_are_light() -> None:
    """Prediction imports them without the weight of training."""
    program = (
        "import sys, digits.data.formats.open_file; "
        "print(sorted({'torch', 'lightning', 'pandas', 'matplotlib', 'scipy'} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"

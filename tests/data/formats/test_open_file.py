"""Every format is read, whatever its name, plain and in every archive."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data.formats.test_idx_file import idx, read
from helpers import frame, made_digits
from scipy.io import savemat

from digits.data.formats.open_file import open_digit_file
from digits.errors import InputError

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
])  # fmt: skip
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

"""Files are recognized by their content; what is not read is named."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import text_of
from scipy.io import savemat

from digits.data.formats.archives import unpack
from digits.data.formats.digit_file import InputFile
from digits.data.formats.recognize import HEAD_BYTES, find_refusal, recognize
from digits.errors import InputError


def written(write: object) -> bytes:
    buffer = io.BytesIO()
    write(buffer)  # type: ignore[operator]
    return buffer.getvalue()


def as_input(path: Path) -> InputFile:
    return InputFile(path, f"digits in {path.name}")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, f"content of {name}")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    return buffer.getvalue()


ARRAY = np.zeros((2, 28, 28), np.uint8)


@pytest.mark.parametrize(("content", "kind"), [
    (written(lambda file: np.save(file, ARRAY)), "npy"), (written(lambda file: np.savez(file, x=ARRAY)), "zip"),
    (gzip.compress(b"a"), "gzip"), (bz2.compress(b"a"), "bz2"), (lzma.compress(b"a"), "xz"),
    (written(lambda file: savemat(file, {"X": ARRAY})), "mat"), (bytes([0, 0, 8, 3]), "idx"),
    (b"label,pixel0", None), (b"\x89PNG\r\n\x1a\n", None), (b"", None),
], ids=text_of)  # fmt: skip
def test_kind_of_a_file_is_that_of_its_content(content: bytes, kind: str | None) -> None:
    assert recognize(content[:HEAD_BYTES]) == kind


@pytest.mark.parametrize(("content", "description"), [
    (pickle.dumps([ARRAY], protocol=2), "pickle"), (pickle.dumps([ARRAY], protocol=5), "pickle"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"%PDF-1.7", "PDF"), (b"<svg xmlns=''>", "SVG"),
    (b"\n <!DOCTYPE html>", "page of the web"), (b"Rar!\x1a\x07\x01", "RAR"), (tarred(), "tar"),
    (b"@RELATION digits", "ARFF"), (b'{"a": 1}', "JSON"),
    (b"\0\0\0\x18ftypheic", "HEIC"), (b"\0\0\0\x14ftypqt  ", "film"),
    (b"version https://git-lfs.github.com/spec/v1", "Git LFS"), (b"SQLite format 3\0", "SQLite"),
], ids=text_of)  # fmt: skip
def test_what_is_not_read_is_named_with_a_remedy(content: bytes, description: str) -> None:
    refusal = find_refusal(content[:HEAD_BYTES])
    assert refusal is not None
    assert description in refusal.description
    assert refusal.remedy


@pytest.mark.parametrize("content", [b"label,pixel0", b"7,0,0", b"\x89PNG", b"", b"\xff\xd8\xff", b"GIF89a"])
def test_text_and_pictures_are_not_refused(content: bytes) -> None:
    assert find_refusal(content) is None


@pytest.mark.parametrize(("compress", "kind"), [
    (gzip.compress, "gzip"), (bz2.compress, "bz2"), (lzma.compress, "xz"),
])  # fmt: skip
def test_compressed_file_is_unpacked(tmp_path: Path, compress: object, kind: str) -> None:
    path = tmp_path / "a.csv.xx"
    path.write_bytes(compress(b"label,pixel0"))  # type: ignore[operator]
    [member] = unpack(as_input(path), kind, tmp_path)
    assert member.name == "a.csv"
    assert member.path.read_bytes() == b"label,pixel0"


def test_files_of_a_zip_archive_are_unpacked_under_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped("7/one.png", "7/../two.png", "__MACOSX/7/._one.png", "7/.DS_Store"))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    members = unpack(as_input(path), "zip", folder)
    assert [member.name for member in members] == ["7/one.png", "7/../two.png"]
    assert sorted(one.name for one in folder.iterdir()) == ["0", "1"]
    assert members[0].path.read_text() == "content of 7/one.png"


@pytest.mark.parametrize(("names", "message"), [
    (["[Content_Types].xml"], "office program; save the table as a CSV"), (["a/data.pkl"], "torch.save"),
    (["model.weights.h5"], "Keras"), ([], "an archive without files"),
])  # fmt: skip
def test_archives_of_other_programs_are_named(tmp_path: Path, names: list[str], message: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(*names))
    with pytest.raises(InputError, match=message) as raised:
        unpack(as_input(path), "zip", tmp_path)
    assert "damaged" not in str(raised.value)


def test_file_of_torch_save_is_named(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a file of torch\.save"):
        unpack(as_input(tmp_path / "a.pt"), "zip", tmp_path)


def test_unpacking_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digits.data.formats.archives.MAX_UNPACKED_BYTES", 1000)
    monkeypatch.setattr("digits.data.formats.archives.MAX_MEMBERS", 2)
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(1001)))
    with pytest.raises(InputError, match="when unpacked"):
        unpack(as_input(tmp_path / "a.gz"), "gzip", tmp_path)
    (tmp_path / "a.zip").write_bytes(zipped("a", "b", "c"))
    with pytest.raises(InputError, match="3 files; unpack it"):
        unpack(as_input(tmp_path / "a.zip"), "zip", tmp_path)


@pytest.mark.parametrize("kind", ["gzip", "bz2", "xz", "zip"])
def test_damaged_archives_are_refused(tmp_path: Path, kind: str) -> None:
    content = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": lambda _: zipped("a.csv")}[kind]
    path = tmp_path / "a"
    path.write_bytes(content(bytes(range(256)) * 40)[:-20])
    with pytest.raises(InputError, match=r"^digits in a: (damaged|cannot be read)"):
        unpack(as_input(path), kind, tmp_path)


@pytest.mark.parametrize(("changes", "message"), [
    ({8: 9, 10: 9}, r"packed in a way that is not read .*; unpack it"), ({6: 1, 8: 1}, "needs a password; unpack it"),
], ids=["deflate64", "password"])  # fmt: skip
def test_archives_that_python_cannot_unpack_are_named(tmp_path: Path, changes: dict[int, int], message: str) -> None:
    content = bytearray(zipped("a.csv"))
    local, central = changes
    content[local] = changes[local]
    content[content.find(b"PK\x01\x02") + central] = changes[central]
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=f"^digits in a.zip: {message}"):
        unpack(as_input(tmp_path / "a.zip"), "zip", tmp_path)


@pytest.mark.parametrize(("content", "description"), [
    (b"[0, 0, 0]", "JSON"), (b"% Title: digits\n@relation digits", "ARFF"), (b"#define x_width 8", "XBM"),
    (b"\0\0\1\0\1\0", "icon"), (b"\x0a\x05\x01\x08", "PCX"), (pickle.dumps([[0, 1]], 0), "pickle"),
    (pickle.dumps((np.zeros(3), 1), 0), "pickle"),
], ids=text_of)  # fmt: skip
def test_more_kinds_that_are_not_read(content: bytes, description: str) -> None:
    refusal = find_refusal(content)
    assert refusal is not None
    assert description in refusal.description


def test_matlabs_version_4_is_recognized() -> None:
    buffer = io.BytesIO()
    savemat(buffer, {"X": np.zeros((3, 784))}, format="4")
    assert recognize(buffer.getvalue()) == "mat"
    assert recognize(bytes(100)) is None

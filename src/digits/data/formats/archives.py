"""Compressed files: unpacked into a temporary folder, as their readers need files that can be mapped or read twice."""

import bz2
import gzip
import lzma
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from digits.data.formats.digit_file import InputFile
from digits.data.formats.recognize import PYTORCH, Refusal
from digits.errors import InputError
from digits.files import translate_read_errors

MAX_UNPACKED_BYTES = 8 << 30
"""Of all files of an archive. MNIST as text has 0.13 GB."""
MAX_MEMBERS = 200_000
COPY_BYTES = 1 << 20
IGNORED_NAMES = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that systems add to an archive."""
DAMAGE = (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, ValueError)
"""What the modules for archives raise for arbitrary bytes."""
# Files of other programs that are ZIP archives, by a member that each of them has.
REFUSED_MEMBERS = {
    "[Content_Types].xml": Refusal("a document of an office program", "save the table as a CSV"),
    "mimetype": Refusal("a document of an office program", "save the table as a CSV"),
    "model.weights.h5": Refusal("a network of Keras", "checkpoint=… takes networks of this project, or ONNX"),
}


@dataclass(frozen=True)
class Member:
    """A file of an archive: its name there, and the unpacked file."""

    name: str
    path: Path


def unpack(file: InputFile, kind: str, folder: Path) -> list[Member]:
    """Unpacks a file of the kind gzip, bz2, xz or zip into `folder`. The names of the unpacked files are numbers.

    Raises InputError for a damaged file, for a document of another program, and above the limits of this module."""
    try:
        if kind == "zip":
            with translate_read_errors(file.name):
                return _unpack_zip(file, folder)
        with translate_read_errors(file.name), _open_compressed(file.path, kind) as content:
            target = folder / "0"
            _copy(content, target, MAX_UNPACKED_BYTES, file.name)
    except InputError:
        raise
    except NotImplementedError as error:  # as Windows compresses files above 2 GB
        raise InputError(f"{file.name}: packed in a way that is not read ({error}); unpack it") from None
    except RuntimeError:  # of the module zipfile
        raise InputError(f"{file.name}: needs a password; unpack it") from None
    except DAMAGE as error:
        raise InputError(f"{file.name}: damaged ({error}); copy or download it again") from None
    return [Member(file.path.stem, target)]


def list_zip_names(path: Path) -> list[str]:
    """The names of the files in a ZIP archive, without those that systems add; none of a file that is no archive, or a
    damaged one, which is refused with a reason when it is read."""
    if not os.path.isfile(path):  # False for impossible names too
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return []
    return [name for name in names if not name.endswith("/") and not is_ignored_name(name)]


def _open_compressed(path: Path, kind: str) -> BinaryIO:
    if kind == "gzip":
        return gzip.open(path)  # type: ignore[return-value]
    if kind == "bz2":
        return bz2.open(path)  # type: ignore[return-value]
    return lzma.open(path)  # type: ignore[return-value]


def _unpack_zip(file: InputFile, folder: Path) -> list[Member]:
    members = []
    with zipfile.ZipFile(file.path) as archive:
        infos = _list_files(file.name, archive)
        left = MAX_UNPACKED_BYTES
        for number, info in enumerate(infos):
            target = folder / str(number)
            with archive.open(info) as content:
                left -= _copy(content, target, left, file.name)  # type: ignore[arg-type]
            members.append(Member(info.filename, target))
    return members


def _list_files(where: str, archive: zipfile.ZipFile) -> Sequence[zipfile.ZipInfo]:
    """The files of an archive without folders and what systems add."""
    names = {PurePosixPath(info.filename).name for info in archive.infolist()}
    for name, refusal in REFUSED_MEMBERS.items():
        if name in names:
            raise InputError(f"{where}: {refusal}")
    if "data.pkl" in names:
        raise InputError(f"{where}: {PYTORCH}")
    files = []
    for info in archive.infolist():
        if not info.is_dir() and not is_ignored_name(info.filename):
            files.append(info)
    if not files:
        raise InputError(f"{where}: an archive without files; pack the digits into it")
    if len(files) > MAX_MEMBERS:
        raise InputError(f"{where}: {len(files):,} files; unpack it, and give the folder")
    return files


def is_ignored_name(name: str) -> bool:
    """Whether a system added this file to an archive."""
    parts = PurePosixPath(name).parts
    return any(ignored in parts for ignored in IGNORED_NAMES)


def _copy(source: BinaryIO, target: Path, limit: int, where: str) -> int:
    """Copies at most `limit` bytes, and returns their number."""
    copied = 0
    with target.open("wb") as file:
        while block := source.read(COPY_BYTES):
            copied += len(block)
            if copied > limit:
                raise InputError(f"{where}: more than {MAX_UNPACKED_BYTES >> 30} GB when unpacked; unpack it yourself")
            file.write(block)
    return copied

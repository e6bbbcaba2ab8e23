"""Opens a file of digits of any format. Training and prediction read the same formats through this module."""

import bz2
import gzip
import io
import lzma
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from digits.data.formats.archives import list_zip_names, unpack
from digits.data.formats.csv_file import open_csv
from digits.data.formats.digit_file import DigitFile, FileChunk, InputFile
from digits.data.formats.idx_file import open_idx
from digits.data.formats.matlab import open_mat
from digits.data.formats.numpy_files import is_npz, open_npy, open_npz
from digits.data.formats.parquet import open_parquet
from digits.data.formats.recognize import HEAD_BYTES, find_refusal, recognize
from digits.errors import InputError
from digits.files import translate_read_errors

STREAM_OPENERS: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
"""Compressed files that can be read from the beginning to the end without unpacking them."""
ARRAY_FORMATS = {"npy": open_npy, "mat": open_mat, "parquet": open_parquet}
"""Formats that need a file on the disk."""

PICTURE_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
MAX_DEPTH = 3
"""Of archives in archives: an archive that contains itself would never end."""


def open_digit_file(path: str | Path, part: str, chunk_size: int) -> DigitFile:
    """Opens a file of digits, or standard input for `-`. The content decides on the format, not the name. `part`, train
    or test, chooses among the arrays of a file that has both.

    Raises InputError for a file that cannot be read; errors further on are raised by its chunks."""
    path = Path(path)
    file = InputFile(path, "standard input" if str(path) == "-" else str(path))
    if str(path) == "-":
        if sys.stdin is None:
            raise InputError("input=-: standard input is closed")
        return _open_pipe(file, sys.stdin.buffer, chunk_size)
    with translate_read_errors(file.name):
        if path.exists() and not path.is_file():
            return _open_pipe(file, open(path, "rb"), chunk_size)
        head = read_head(path)
    return _open(file, head, part, chunk_size)


def _open_pipe(file: InputFile, stream: Any, chunk_size: int) -> DigitFile:
    """Standard input or a named pipe, which can be read only once."""
    with translate_read_errors(file.name):
        head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
        kind = recognize(head)
        if kind in STREAM_OPENERS:
            stream = io.BufferedReader(STREAM_OPENERS[kind](stream))
            head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
            kind = recognize(head)
    if kind not in (None, "idx"):
        raise InputError(f"{file.name}: this format ({kind}) cannot be read from a pipe; save it, and give its name")
    return _open_stream(file, stream, head, chunk_size)


def _open(file: InputFile, head: bytes, part: str, chunk_size: int, depth: int = 0) -> DigitFile:
    """A file on the disk. `depth` is the number of archives that it lies in."""
    kind = recognize(head)
    if depth > MAX_DEPTH:
        raise InputError(f"{file.name}: more than {MAX_DEPTH} archives in each other; unpack them")
    if kind in STREAM_OPENERS:
        return _open_compressed(file, kind, part, chunk_size, depth)
    if kind == "zip":
        return _open_zip(file, part, chunk_size, depth)
    if kind in ARRAY_FORMATS:
        with translate_read_errors(file.name):
            return ARRAY_FORMATS[kind](file, part, chunk_size)
    stream = open(file.path, "rb")  # noqa: SIM115 - closed with the iterator of the chunks
    opened = _open_stream(file, stream, head, chunk_size)
    return replace(opened, chunks=_with_progress(opened.chunks, stream, os.path.getsize(file.path)))


def _open_stream(file: InputFile, stream: BinaryIO, head: bytes, chunk_size: int) -> DigitFile:
    """A text or an IDX file, which is read from the beginning to the end."""
    refusal = find_refusal(head)
    if refusal is not None:
        raise InputError(f"{file.name}: {refusal}")
    if head.startswith(PICTURE_BEGINNINGS):
        raise InputError(f"{file.name}: a picture in a pipe or in a compressed file; unpack it, and give its name")
    if recognize(head) == "idx":
        return open_idx(file, stream, chunk_size)
    text = open_csv(stream, file.name, chunk_size)
    return DigitFile(text.description, text.chunks, [file.path])


def _open_compressed(file: InputFile, kind: str, part: str, chunk_size: int, depth: int) -> DigitFile:
    """Text and IDX are read while they are unpacked. Other formats are unpacked into a temporary folder."""
    packed = open(file.path, "rb")  # noqa: SIM115 - closed with the iterator of the chunks
    stream: Any = io.BufferedReader(STREAM_OPENERS[kind](packed))
    with translate_read_errors(file.name):
        head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
    if recognize(head) in (None, "idx"):
        opened = _open_stream(file, stream, head, chunk_size)
        return replace(opened, chunks=_with_progress(opened.chunks, packed, os.path.getsize(file.path)))
    packed.close()
    folder = TemporaryDirectory(prefix="digits-")
    [member] = unpack(file, kind, Path(folder.name))
    opened = _open(InputFile(member.path, file.name), head, part, chunk_size, depth + 1)
    return replace(opened, chunks=_until_removed(opened.chunks, folder), files=[file.path])


def _open_zip(file: InputFile, part: str, chunk_size: int, depth: int) -> DigitFile:
    """NumPy's archive of arrays, or an archive with one file of digits."""
    if is_npz(list_zip_names(file.path)):
        return open_npz(file, part, chunk_size)
    folder = TemporaryDirectory(prefix="digits-")
    members = unpack(file, "zip", Path(folder.name))
    data_files = [member for member in members if not member.name.lower().endswith((".txt", ".md"))] or members
    if len(data_files) > 1:
        names = ", ".join(member.name for member in data_files[:3])
        raise InputError(f"{file.name}: {len(data_files):,} files ({names}, …); unpack it, and give one of them")
    [member] = data_files
    inner = InputFile(member.path, f"{file.name}, {member.name}")
    opened = _open(inner, read_head(member.path), part, chunk_size, depth + 1)
    chunks = _until_removed(opened.chunks, folder)
    return DigitFile(f"{member.name}: {opened.description}", chunks, [file.path])


def read_head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(HEAD_BYTES)


def _with_progress(chunks: Iterator[FileChunk], file: BinaryIO, size: int) -> Iterator[FileChunk]:
    """Chunks with the fraction of the bytes on the disk that are read. Closes the file at the end."""
    with file:
        for chunk in chunks:
            yield replace(chunk, progress=min(1, file.tell() / size))


def _until_removed(chunks: Iterator[FileChunk], folder: "TemporaryDirectory[str]") -> Iterator[FileChunk]:
    """The same chunks. The folder with the unpacked file is removed behind the last one."""
    with folder:
        yield from chunks

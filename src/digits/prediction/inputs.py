"""The digits or pictures to predict, from any supported format, as a stream of chunks."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from digits.data.formats.open_file import open_digit_file
from digits.data.formats.picture_files import (
    FoundPictures,
    find_by_glob,
    find_in_archive,
    find_in_folder,
    is_archive_of_pictures,
)
from digits.data.pictures.picture_formats import PictureFile, is_picture
from digits.errors import InputError
from digits.prediction.chunks import DigitChunk, Picture, PictureChunk

PICTURES_PER_CHUNK = 32


@dataclass(frozen=True)
class DigitStream:
    """The digits of a file, which is read while `chunks` is iterated."""

    name: str
    description: str
    """what was recognized in the file"""
    files: Sequence[Path]
    chunks: Iterator[DigitChunk]


@dataclass(frozen=True)
class PictureStream:
    """Pictures, which are read while `chunks` is iterated."""

    files: Sequence[Path]
    chunks: Iterator[PictureChunk]
    skipped: Sequence[str] = ()
    """lines about other files beside the pictures"""


def open_input(
    names: str | Sequence[str], chunk_size: int, *, thumbnails: bool = False, sheets: bool = False
) -> DigitStream | PictureStream:
    """Opens one file of digits (see `digits.data.formats`) or several pictures; `-` is standard input. Pictures are
    files, folders, globs or a ZIP archive of them; a picture that is named twice is read once. The content decides on
    the format, not the name. With `sheets` they may show many digits.

    Raises InputError if there is nothing that can be read. Errors further on are raised by the iterator."""
    names = [names] if isinstance(names, str) else list(names)
    read = partial(_read_pictures, thumbnails=thumbnails, sheets=sheets)
    for name in names:
        if "\0" in name:
            raise InputError(f"{name}: a path has no NUL character")
    if len(names) == 1 and is_archive_of_pictures(Path(names[0])):
        return _open_archive(Path(names[0]), read)
    found = [_find(name) for name in names]
    pictures: dict[Path, PictureFile] = {}
    for one in found:
        for picture in one.pictures:
            pictures.setdefault(picture.path, picture)
    is_single_file = len(names) == 1 and len(pictures) == 1
    if is_single_file and not is_picture(next(iter(pictures))):
        [path] = pictures
        return _open_file(path, chunk_size)
    for path in pictures:
        if not is_picture(path):
            raise InputError(f"{path}: not a picture; only one file of digits can be read at a time")
    files = list(pictures.values())
    skipped = [one.skipped for one in found if one.skipped is not None]
    return PictureStream(list(pictures), read(files), skipped)


def _find(name: str) -> FoundPictures:
    """The file of one name, or the pictures of a folder or a glob."""
    if os.path.isdir(name):
        return find_in_folder(name)
    matches = find_by_glob(name)
    if matches is not None:
        return matches
    return FoundPictures([PictureFile(Path(name), name)])


def _open_file(path: Path, chunk_size: int) -> DigitStream:
    opened = open_digit_file(path, "test", chunk_size)
    name = "standard input" if str(path) == "-" else str(path)
    chunks = (DigitChunk(chunk.images, chunk.labels, chunk.progress) for chunk in opened.chunks)
    return DigitStream(name, opened.description, opened.files, chunks)


def _open_archive(path: Path, read: Callable[[Sequence[PictureFile]], Iterator[PictureChunk]]) -> PictureStream:
    """The pictures of a ZIP archive, in a temporary folder that is removed behind the last one."""
    folder = TemporaryDirectory(prefix="digits-")
    found = find_in_archive(path, Path(folder.name))

    def read_and_remove() -> Iterator[PictureChunk]:
        with folder:
            yield from read(found.pictures)

    return PictureStream([path], read_and_remove(), [found.skipped] if found.skipped else [])


def _read_pictures(files: Sequence[PictureFile], *, thumbnails: bool, sheets: bool) -> Iterator[PictureChunk]:
    from digits.data.pictures.decode import read_pictures  # imported late: digits of a file need no SciPy

    for start in range(0, len(files), PICTURES_PER_CHUNK):
        chunk_files = files[start : start + PICTURES_PER_CHUNK]
        pictures: list[Picture | InputError] = []
        results = read_pictures(chunk_files, thumbnails=thumbnails, sheets=sheets)
        for file, result in zip(chunk_files, results, strict=True):
            if isinstance(result, InputError):
                pictures.append(result)
            else:
                pictures.append(Picture(file.name, result, file.label))
        yield PictureChunk(pictures, progress=(start + len(chunk_files)) / len(files))

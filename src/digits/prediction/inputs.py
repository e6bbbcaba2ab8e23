"""The digits or pictures to predict, from any supported format, as a stream of chunks."""

import gzip
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from digits.data.idx import read_exactly, read_idx_header, require_end
from digits.data.kaggle_csv import read_chunks
from digits.data.pictures.decode import IMAGE_FORMATS, read_pictures
from digits.errors import InputError
from digits.files import glob_matches, open_binary, translate_read_errors
from digits.prediction.chunks import DigitChunk, Picture, PictureChunk

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
PICTURES_PER_CHUNK = 32


@dataclass(frozen=True)
class DigitStream:
    """Digits, which are read while `chunks` is iterated."""

    files: Sequence[Path]
    chunks: Iterator[DigitChunk]


@dataclass(frozen=True)
class PictureStream:
    """Pictures, which are read while `chunks` is iterated."""

    files: Sequence[Path]
    chunks: Iterator[PictureChunk]


def open_input(names: str | Sequence[str], chunk_size: int, *, thumbnails: bool = False) -> DigitStream | PictureStream:
    """Opens one file of digits or several pictures. The file is Kaggle's CSV or MNIST's images (IDX), plain or gzipped,
    or a NumPy array uint8 [N, 28, 28]; `-` is standard input. Pictures are files, folders or globs; a picture that is
    named twice is read once. The content decides on the format, not the name.

    Raises InputError if there is nothing that can be read. Errors further on are raised by the iterator."""
    paths: list[Path] = []
    for name in [names] if isinstance(names, str) else names:
        paths += _find_files(str(name))
    if len(paths) == 1 and not _is_picture(paths[0]):
        return _open_file(paths[0], chunk_size)
    for path in paths:
        if not _is_picture(path):
            raise InputError(f"{path}: not a picture; only one file of digits can be read at a time")
    pictures = list(dict.fromkeys(paths))
    return PictureStream(pictures, _read_picture_chunks(pictures, thumbnails))


def _find_files(name: str) -> list[Path]:
    """The file of one name, or the pictures of a folder or a glob."""
    if "\0" in name:
        raise InputError(f"{name}: a path has no NUL character")
    if os.path.isdir(name):
        found = _visible_files(name)
        reason = "a folder without pictures"
    else:
        matches = glob_matches(name)
        if matches is None:
            return [Path(name)]
        found = matches
        reason = "matches no picture"
    pictures = [path for path in found if path.name.lower().endswith(IMAGE_SUFFIXES)]
    if not pictures:
        formats = ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        raise InputError(f"{name}: {reason} ({formats})")
    return pictures


def _visible_files(folder: str) -> list[Path]:
    """The files of a folder, sorted by name, without hidden ones."""
    with translate_read_errors(folder):
        names = sorted(os.listdir(folder))
    return [Path(folder, name) for name in names if not name.startswith(".")]


def _is_picture(path: Path) -> bool:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    if not os.path.isfile(path):  # standard input or a pipe, which can be read only once
        return False
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=IMAGE_FORMATS):
            return True
    except Image.DecompressionBombError:
        return True  # refused with a reason when it is read
    except Exception:  # arbitrary bytes can raise any error in Pillow's parsers
        return False


def _open_file(path: Path, chunk_size: int) -> DigitStream:
    """Chooses the reader of a file of digits by its first bytes."""
    file = open_binary(path)
    with translate_read_errors(str(path)):
        magic = file.peek(8)[:8]  # type: ignore[attr-defined]
        size = os.path.getsize(path) if str(path) != "-" else 0
    if magic[:6] == b"\x93NUMPY":
        if not path.is_file() or isinstance(file, gzip.GzipFile):
            raise InputError(f"{path}: a NumPy array must be a plain .npy file; unpack it")
        file.close()
        return _open_npy(path, chunk_size)
    if magic[:2] == b"\0\0" and magic[2:3] in b"\x08\x09\x0b\x0c\x0d\x0e":  # the types of IDX
        return _open_idx(path, file, chunk_size)
    return DigitStream([path], _read_csv(path, file, size, chunk_size))


def _read_csv(path: Path, file: BinaryIO, size: int, chunk_size: int) -> Iterator[DigitChunk]:
    """`size` is the number of bytes of the file on the disk; 0 for a pipe."""
    name = "standard input" if str(path) == "-" else str(path)
    packed: BinaryIO = file.fileobj if isinstance(file, gzip.GzipFile) else file
    for images, labels in read_chunks(file, name, chunk_size):
        progress = packed.tell() / size if size else None
        yield DigitChunk(images, labels, progress)


def _open_npy(path: Path, chunk_size: int) -> DigitStream:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # the header is a Python literal, which can be damaged in any way
        raise InputError(f"{path}: damaged, or not an array of numbers") from None
    if array.dtype != np.uint8 or array.shape[1:] != (28, 28) or not len(array):
        raise InputError(f"{path}: an array uint8 [N, 28, 28] is expected, not {array.dtype} {list(array.shape)}")
    if path.stat().st_size != array.offset + array.nbytes:
        raise InputError(f"{path}: holds more than its header announces; save it again")
    return DigitStream([path], _read_npy(array, chunk_size))


def _read_npy(array: np.ndarray[Any, Any], chunk_size: int) -> Iterator[DigitChunk]:
    count = len(array)
    for start in range(0, count, chunk_size):
        end = min(start + chunk_size, count)
        images = torch.from_numpy(np.array(array[start:end]))
        yield DigitChunk(images, progress=end / count)


def _open_idx(path: Path, file: BinaryIO, chunk_size: int) -> DigitStream:
    """Reads the labels too, if the file that MNIST names after the images is there."""
    images = IdxReader(path, file, (28, 28))
    labels_path = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if labels_path == path or not labels_path.is_file():
        return DigitStream([path], _read_idx(images, None, chunk_size))
    labels = IdxReader(labels_path, open_binary(labels_path), ())
    if labels.count != images.count:
        raise InputError(f"{labels_path}: holds {labels.count:,} labels for the {images.count:,} images of {path.name}")
    return DigitStream([path, labels_path], _read_idx(images, labels, chunk_size))


class IdxReader:
    """An open IDX file of images, with `shape` (28, 28), or of labels, with ()."""

    def __init__(self, path: Path, file: BinaryIO, shape: tuple[int, ...]) -> None:
        self.path, self.file, self.shape = path, file, shape
        self.count = read_idx_header(path, file, shape)

    def read(self, count: int) -> Tensor:
        """The next items, uint8 [count, *shape]."""
        content = read_exactly(self.path, self.file, count * prod(self.shape))
        return torch.frombuffer(bytearray(content), dtype=torch.uint8).view(count, *self.shape)

    def require_end(self) -> None:
        """Raises InputError if data follow."""
        require_end(self.path, self.file)


def _read_idx(images: IdxReader, labels: IdxReader | None, chunk_size: int) -> Iterator[DigitChunk]:
    for start in range(0, images.count, chunk_size):
        end = min(start + chunk_size, images.count)
        pixels = images.read(end - start)
        classes = labels.read(end - start).long() if labels else None
        if labels and classes is not None and classes.max() > 9:
            raise InputError(f"{labels.path}: holds a label above 9")
        yield DigitChunk(pixels, classes, end / images.count)
    images.require_end()
    if labels:
        labels.require_end()


def _read_picture_chunks(paths: Sequence[Path], thumbnails: bool) -> Iterator[PictureChunk]:
    for start in range(0, len(paths), PICTURES_PER_CHUNK):
        chunk_paths = paths[start : start + PICTURES_PER_CHUNK]
        pictures: list[Picture | InputError] = []
        for path, result in zip(chunk_paths, read_pictures(chunk_paths, thumbnails=thumbnails), strict=True):
            if isinstance(result, InputError):
                pictures.append(result)
            else:
                thumbnail, hypotheses = result
                pictures.append(Picture(str(path), hypotheses, thumbnail))
        yield PictureChunk(pictures, progress=(start + len(chunk_paths)) / len(paths))

"""The digits to predict, from any supported format, as a stream of chunks."""

import gzip
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from glob import escape, glob, has_magic
from operator import length_hint
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from digits.data.idx import read_exactly, read_idx_header, require_end
from digits.data.kaggle_csv import iter_chunks
from digits.data.pictures.decode import IMAGE_FORMATS, read_pictures
from digits.errors import InputError
from digits.files import open_binary, translate_read_errors
from digits.prediction.chunks import ReadChunk
from digits.prediction.pictures import choose

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
PICTURES_PER_CHUNK = 32

Reader: TypeAlias = Callable[[], ReadChunk]


class DigitStream(NamedTuple):
    """Chunks that are read lazily: each process calls only the readers of its own chunks."""

    readers: Iterator[Reader]
    files: Sequence[Path]
    progress: Callable[[], float | None]  # the fraction read so far; None if the size of the input is unknown
    from_pictures: bool = False


def open_input(names: str | Sequence[str], chunk_size: int, several: bool = False) -> DigitStream:
    """Opens one file or several pictures. The file is Kaggle's CSV or MNIST's images (IDX), plain or gzipped, or a
    NumPy array uint8 [N, 28, 28]; `-` is standard input. Pictures are files, folders or globs. The content decides on
    the format, not the name. Of a picture with several digits, the one with the most ink is read if `several` is true;
    else the picture is refused.

    Raises InputError if there is nothing that can be read. Errors further on are raised by the readers."""
    paths = [Path(path) for name in ([names] if isinstance(names, str) else names) for path in _expand(str(name))]
    if len(paths) == 1 and not _is_picture(paths[0]):
        return _open_file(paths[0], chunk_size)
    for path in paths:
        if not _is_picture(path):
            raise InputError(f"{path}: not a picture; only one file of digits can be read at a time")
    return _open_pictures(paths, several)


def _expand(name: str) -> list[str]:
    if "\0" in name:
        raise InputError(f"{name}: a path has no NUL character")
    is_folder = os.path.isdir(name)
    if name == "-" or (not is_folder and (os.path.exists(name) or not has_magic(name))):
        return [name]
    if is_folder:
        with translate_read_errors(name):
            os.listdir(name)  # glob ignores a folder that cannot be read
    pattern = os.path.join(escape(name), "*") if is_folder else name
    pictures = [path for path in sorted(glob(pattern, recursive=True)) if path.lower().endswith(IMAGE_SUFFIXES)]
    if not pictures:
        reason = "a folder without pictures" if is_folder else "matches no picture"
        raise InputError(f"{name}: {reason} ({', '.join(suffix[1:] for suffix in IMAGE_SUFFIXES)})")
    return pictures


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
    name = "standard input" if str(path) == "-" else str(path)
    raw: BinaryIO = file.fileobj if isinstance(file, gzip.GzipFile) else file
    readers = (partial(_read_csv, parse) for parse in iter_chunks(file, name, chunk_size))
    return DigitStream(readers, [path], lambda: raw.tell() / size if size else None)


def _read_csv(parse: Callable[[], tuple[Tensor, Tensor | None]]) -> ReadChunk:
    return ReadChunk(*parse())


def _open_npy(path: Path, chunk_size: int) -> DigitStream:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # the header is a Python literal, which can be damaged in any way
        raise InputError(f"{path}: damaged, or not an array of numbers") from None
    if array.dtype != np.uint8 or array.shape[1:] != (28, 28) or not len(array):
        raise InputError(f"{path}: an array uint8 [N, 28, 28] is expected, not {array.dtype} {list(array.shape)}")
    if path.stat().st_size != array.offset + array.nbytes:
        raise InputError(f"{path}: holds more than its header announces; save it again")
    starts = iter(range(0, len(array), chunk_size))
    readers = (partial(_read_npy, array[start : start + chunk_size]) for start in starts)
    return DigitStream(readers, [path], _progress_of(starts))


def _read_npy(array: np.ndarray[Any, Any]) -> ReadChunk:
    return ReadChunk(torch.from_numpy(np.array(array)))


def _open_idx(path: Path, file: BinaryIO, chunk_size: int) -> DigitStream:
    """Reads the labels too, if the file that MNIST names after the images is there."""
    count = read_idx_header(path, file, (28, 28))
    labels_path = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    labels_file = open_binary(labels_path) if labels_path != path and labels_path.is_file() else None
    if labels_file and (label_count := read_idx_header(labels_path, labels_file, ())) != count:
        raise InputError(f"{labels_path}: holds {label_count:,} labels for the {count:,} images of {path.name}")
    starts = iter(range(0, count, chunk_size))

    def readers() -> Iterator[Reader]:
        for start in starts:
            size = min(chunk_size, count - start)
            images = read_exactly(path, file, 784 * size)
            labels = read_exactly(labels_path, labels_file, size) if labels_file else b""
            yield partial(_read_idx, images, labels, labels_path)
        require_end(path, file)
        if labels_file:
            require_end(labels_path, labels_file)

    return DigitStream(readers(), [path, labels_path] if labels_file else [path], _progress_of(starts))


def _read_idx(images: bytes, labels: bytes, labels_path: Path) -> ReadChunk:
    if labels and max(labels) > 9:
        raise InputError(f"{labels_path}: holds a label above 9")
    pixels = torch.frombuffer(bytearray(images), dtype=torch.uint8).view(-1, 28, 28)
    return ReadChunk(pixels, torch.tensor(list(labels)) if labels else None)


def _open_pictures(paths: Sequence[Path], several: bool) -> DigitStream:
    starts = iter(range(0, len(paths), PICTURES_PER_CHUNK))
    readers = (partial(_read_pictures, paths[start : start + PICTURES_PER_CHUNK], several) for start in starts)
    return DigitStream(readers, paths, _progress_of(starts), from_pictures=True)


def _read_pictures(paths: Sequence[Path], several: bool) -> ReadChunk:
    results = dict(zip(map(str, paths), read_pictures(paths), strict=True))
    chosen = choose({path: result[1] for path, result in results.items() if isinstance(result, tuple)})
    errors, read = [], []
    for path, result in results.items():
        hypothesis = chosen.get(path)
        if isinstance(result, InputError):
            errors.append(str(result))
        elif hypothesis is None:
            errors.append(f"{path}: nothing like a digit found")
        elif len(hypothesis.digits) > 1 and not several:
            count = len(hypothesis.digits)
            errors.append(f"{path}: seems to hold {count} digits; cut one out, or add several=true")
        else:
            read.append((path, result[0], hypothesis.digits[0], hypothesis.description))
    files, thumbnails, images, descriptions = zip(*read, strict=True) if read else ((), (), (), ())
    stacked = torch.from_numpy(np.array(images, np.uint8).reshape(-1, 28, 28))
    return ReadChunk(stacked, None, files, thumbnails, descriptions, errors)


def _progress_of(starts: Iterator[int]) -> Callable[[], float]:
    count = length_hint(starts)
    return lambda: 1 - length_hint(starts) / count

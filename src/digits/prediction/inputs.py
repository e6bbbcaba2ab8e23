"""Digits to predict, in any usual form and of any number: chunk after chunk."""

import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from glob import escape, glob, has_magic
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from digits.data.kaggle_csv import iter_chunks
from digits.data.pictures.decode import FORMATS, read_pictures
from digits.data.pictures.images import Array
from digits.errors import InputError
from digits.files import open_binary, translate_read_errors

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
PICTURES = 32  # in a chunk


class Chunk(NamedTuple):
    """Some digits in the order of the input."""

    images: Tensor
    """uint8 [N, 28, 28]"""
    labels: Tensor | None = None
    """int64 [N], where the input has them"""
    files: Sequence[str] = ()
    """of pictures, their N names"""
    thumbnails: Sequence[Array] = ()
    """of pictures, what came in: N uint8 [h, w, 3]"""
    faults: Sequence[str] = ()
    """of pictures that could not be used, a line each; they are not among the N"""


Read: TypeAlias = Callable[[], Chunk]


class Input(NamedTuple):
    """What was given: a function to read each chunk, so that who shares the work out need not read all of them."""

    chunks: Iterator[Read]
    pictures: bool
    fraction: Callable[[], float | None]
    """of the input that was read so far, where its size is known"""
    files: Sequence[Path]
    """that are read"""


def open_input(given: str | Sequence[str], chunk_size: int) -> Input:
    """`given` names a CSV file in Kaggle's format, a file of MNIST's images (IDX) or a NumPy array uint8 [N, 28, 28],
    each plain or gzipped but for the array; or pictures: a file, several, a folder, a glob. `-` is a CSV on standard
    input. Files are told apart by what is in them.

    Raises InputError if there is nothing that can be read; faults further on are raised when they are met.
    """
    paths = [Path(path) for name in ([given] if isinstance(given, str) else given) for path in _matches(str(name))]
    if len(paths) == 1 and not _is_picture(paths[0]):
        return _open_array(paths[0], chunk_size)
    for path in paths:
        if not _is_picture(path):
            raise InputError(f"{path}: not a picture; of other files only one can be read at a time")
    return _open_pictures(paths)


def _matches(name: str) -> list[str]:
    if name == "-" or (not os.path.isdir(name) and (os.path.exists(name) or not has_magic(name))):
        return [name]
    pattern = os.path.join(escape(name), "*") if os.path.isdir(name) else name
    found = [path for path in sorted(glob(pattern, recursive=True)) if path.lower().endswith(SUFFIXES)]
    if not found:
        what = "a folder without pictures" if os.path.isdir(name) else "matches no picture"
        raise InputError(f"{name}: {what} ({', '.join(suffix[1:] for suffix in SUFFIXES)})")
    return found


def _is_picture(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    if not path.is_file():  # standard input, or a pipe: whoever looks at it takes from it
        return False
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except (OSError, Image.DecompressionBombError):  # also what is no picture at all
        return False


def _open_array(path: Path, chunk_size: int) -> Input:
    file = open_binary(path)
    with translate_read_errors(str(path)):
        begin = file.peek(8)[:8]  # type: ignore[attr-defined]
        size = os.path.getsize(path) if str(path) != "-" else 0
    if begin[:6] == b"\x93NUMPY":
        if not path.is_file() or isinstance(file, gzip.GzipFile):
            raise InputError(f"{path}: an array of NumPy is read from a plain .npy file only; unpack it")
        file.close()
        return _open_npy(path, chunk_size)
    if begin[:3] == b"\0\0\x08":
        return _open_idx(path, file, chunk_size)
    name = "standard input" if str(path) == "-" else str(path)
    raw: BinaryIO = file.fileobj if isinstance(file, gzip.GzipFile) else file
    chunks = (partial(_from_csv, read) for read in iter_chunks(file, name, chunk_size))
    return Input(chunks, False, lambda: raw.tell() / size if size else None, [path])


def _from_csv(read: Callable[[], tuple[Tensor, Tensor | None]]) -> Chunk:
    return Chunk(*read())


def _open_npy(path: Path, chunk_size: int) -> Input:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # its header is Python's syntax, which can be damaged in any way
        raise InputError(f"{path}: damaged, or not an array of numbers") from None
    if array.dtype != np.uint8 or array.shape[1:] != (28, 28) or not len(array):
        raise InputError(f"{path}: an array uint8 [N, 28, 28] is expected, not {array.dtype} {list(array.shape)}")
    parts = (array[first : first + chunk_size] for first in range(0, len(array), chunk_size))
    return _of_known_size([partial(_from_npy, part) for part in parts], [path])


def _from_npy(part: Array) -> Chunk:
    return Chunk(torch.from_numpy(np.array(part)))


def _open_idx(path: Path, file: BinaryIO, chunk_size: int) -> Input:
    """MNIST's own format: four bytes of type and dimensions, the sizes as big-endian int32, the pixels. The labels are
    read from the file that MNIST names like that of the images, if it is there.
    """
    count = _idx_count(path, file, (28, 28))
    labels_path = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    labels = None
    if labels_path != path and labels_path.is_file():
        with open_binary(labels_path) as labels_file:
            if _idx_count(labels_path, labels_file, ()) != count:
                raise InputError(f"{labels_path}: does not have as many labels as {path.name} has images, {count:,}")
            labels = torch.tensor(list(_exactly(labels_path, labels_file, count)))
        if labels.max() > 9:
            raise InputError(f"{labels_path}: holds a label above 9")

    def read(first: int, content: bytes) -> Chunk:
        images = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 28, 28)
        return Chunk(images, None if labels is None else labels[first : first + len(images)])

    def chunks() -> Iterator[Read]:
        for first in range(0, count, chunk_size):
            yield partial(read, first, _exactly(path, file, 784 * min(chunk_size, count - first)))

    files = [path] if labels is None else [path, labels_path]
    return _of_known_size(chunks(), files, -(-count // chunk_size))


def _idx_count(path: Path, file: BinaryIO, shape: tuple[int, ...]) -> int:
    kind = b"\0\0\x08" + bytes([1 + len(shape)])
    if _exactly(path, file, 4) != kind:
        raise InputError(f"{path}: not an IDX file of {'images' if shape else 'labels'}")
    count, *sides = np.frombuffer(_exactly(path, file, 4 + 4 * len(shape)), ">i4").tolist()
    if count < 1:
        raise InputError(f"{path}: holds nothing, its header says")
    if tuple(sides) != shape:
        raise InputError(f"{path}: {count:,} images of {'×'.join(map(str, sides))}; images of 28×28 are expected")
    return int(count)


def _exactly(path: Path, file: BinaryIO, size: int) -> bytes:
    with translate_read_errors(str(path)):
        content = file.read(size)
    if len(content) < size:
        raise InputError(f"{path}: ends before all that its header announces; copy or download it again")
    return content


def _open_pictures(paths: Sequence[Path]) -> Input:
    remaining = iter(paths)
    chunks = []
    while part := list(islice(remaining, PICTURES)):
        chunks.append(partial(_from_pictures, part))
    return _of_known_size(chunks, paths)._replace(pictures=True)


def _from_pictures(paths: Sequence[Path]) -> Chunk:
    seen = read_pictures(paths)
    read = [(str(path), *picture) for path, picture in zip(paths, seen, strict=True) if isinstance(picture, tuple)]
    files, thumbnails, images = zip(*read, strict=True) if read else ((), (), ())
    stacked = torch.from_numpy(np.stack(images)) if images else torch.empty(0, 28, 28, dtype=torch.uint8)
    return Chunk(stacked, None, files, thumbnails, [str(error) for error in seen if isinstance(error, InputError)])


def _of_known_size(chunks: Iterator[Read] | Sequence[Read], files: Sequence[Path], count: int = 0) -> Input:
    count = count or len(chunks)  # type: ignore[arg-type]
    given = 0

    def counted() -> Iterator[Read]:
        nonlocal given
        for chunk in chunks:
            given += 1
            yield chunk

    return Input(counted(), False, lambda: given / count, files)

"""Picture files to MNIST's format, with a thumbnail of each."""

import logging
import os
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from digits.data.pictures.normalize import LARGE, normalize_oriented, orient
from digits.data.pictures.segment import Array
from digits.errors import InputError

IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 1 << 26  # of a file; JPEG files are decoded at reduced size and may have as many as Pillow allows
THUMBNAIL_SIZE = 192  # pixels of the longer side
PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"
DEFLATE = (8, 32946)  # values of TIFF's tag Compression

logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)  # it logs beside the errors that it raises
large_picture_lock = threading.Lock()  # one large picture at a time, to bound the memory
stderr_lock = threading.Lock()


def read_pictures(paths: Sequence[Path]) -> list[tuple[Array, Array] | InputError]:
    """`read_picture` of each path, or its error. Uses as many threads as PyTorch."""

    def read(path: Path) -> tuple[Array, Array] | InputError:
        try:
            return read_picture(path)
        except InputError as error:
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        warnings.simplefilter("ignore")  # about large pictures and minor damage
        return list(pool.map(read, paths))  # Pillow and SciPy release the GIL


def read_picture(path: str | Path) -> tuple[Array, Array]:
    """A thumbnail uint8 [h, w, 3] and the digit in MNIST's format, uint8 [28, 28].

    Raises InputError if the file cannot be decoded or shows no digit.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise InputError("not a file")
        with Image.open(path, formats=IMAGE_FORMATS) as file:
            picture = _decode(file, path)
            try:
                digit = normalize_oriented(picture)
            except InputError as error:
                frames = getattr(file, "n_frames", 1)
                raise InputError(f"{error} (first of {frames} frames)" if frames > 1 else error) from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        *others, last = IMAGE_FORMATS
        raise InputError(f"{path}: cannot be decoded as {', '.join(others)} or {last}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; reduce it") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # damaged files raise almost any error in Pillow's decoders
        raise InputError(f"{path}: cannot be decoded ({error})") from None
    picture.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    return np.asarray(picture.convert("RGB")), digit


def _decode(file: Image.Image, path: str | Path) -> Image.Image:
    """The picture as `orient` returns it. Raises InputError if it is too large, and any error if it is damaged."""
    pixels = file.width * file.height
    if pixels > MAX_PIXELS and file.format != "JPEG":
        raise InputError(f"has {pixels:,} pixels; reduce it to at most {MAX_PIXELS:,}")
    with large_picture_lock if pixels > LARGE else nullcontext():
        _verify_checksums(file, path)
        if file.format == "TIFF":
            with _silent_stderr():
                file.load()
        return orient(file)


def _verify_checksums(file: Image.Image, path: str | Path) -> None:
    """Raises SyntaxError or zlib.error if a checksum of PNG or of deflated TIFF is wrong; the decoders ignore it."""
    if file.format == "PNG":
        with Image.open(path, formats=["PNG"]) as copy:
            copy.verify()
        if PNG_END not in Path(path).read_bytes():
            raise SyntaxError("damaged end")
    elif isinstance(file, TiffImageFile) and file.tag_v2.get(259) in DEFLATE:
        tags = (273, 279) if 273 in file.tag_v2 else (324, 325)  # offsets and sizes of strips or of tiles
        offsets, sizes = (file.tag_v2[tag] for tag in tags)
        if sum(sizes) > os.path.getsize(path):
            raise SyntaxError("overlapping strips")
        remaining = 16 * file.width * file.height + (1 << 20)  # bytes, at most four channels of 32 bits
        with open(path, "rb") as content:
            for offset, size in zip(offsets, sizes, strict=True):
                content.seek(offset)
                remaining -= _decompressed_size(content.read(size), remaining)


def _decompressed_size(content: bytes, limit: int) -> int:
    """The size in bytes; holds 1 MiB of the data at a time. Raises zlib.error if they are damaged, incomplete or more
    than `limit`."""
    decompressor, size = zlib.decompressobj(), 0
    while content and not decompressor.eof and size <= limit:
        size += len(decompressor.decompress(content, 1 << 20))
        content = decompressor.unconsumed_tail
    if not decompressor.eof:
        raise zlib.error("incomplete data, or more than its pixels")
    return size


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discards the lines that libtiff writes to the standard error of the process, for one file at a time."""
    with stderr_lock, open(os.devnull, "wb") as devnull:
        stderr = os.dup(2)
        os.dup2(devnull.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)

"""Picture files to hypotheses about their digit."""

import logging
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from digits.data.pictures.masks import Array
from digits.data.pictures.normalize import BlankPictureError, Hypothesis, oriented_hypotheses
from digits.data.pictures.orient import LARGE, orient, upright_size
from digits.data.pictures.picture_formats import PILLOW_FORMATS, PictureFile, open_picture
from digits.data.pictures.sheet import to_sheet_size
from digits.data.pictures.verify import verify_deflate, verify_picture
from digits.errors import InputError
from digits.host import available_cpus

MAX_FILE_BYTES = 1 << 29
MAX_PIXELS = 50_000_000
MAX_JPEG_PIXELS = 120_000_000  # decoded at reduced size
MAX_SIDE = 65_535
LARGE_JPEG = MAX_PIXELS  # pixels; JPEG is decoded at reduced size
THUMBNAIL_SIZE = 192  # pixels of the longer side
SHEET_THUMBNAIL_SIZE = 640  # of a picture of several digits

logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)  # it logs beside the errors that it raises
large_picture_lock = threading.Lock()  # one large picture at a time, to bound the memory
stderr_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """A picture, and what it may show."""

    hypotheses: Sequence[Hypothesis]
    """about its digit, the simplest first"""
    size: tuple[int, int]
    """width and height of the upright picture"""
    thumbnail: Array | None = None
    """uint8 [h, w, 3], on request"""
    sheet: Array | None = None
    """uint8 [H, W], the brightness at the working size of `digits.data.pictures.sheet`, on request"""


def read_pictures(
    files: Sequence[PictureFile], *, thumbnails: bool = False, sheets: bool = False
) -> list[DecodedPicture | InputError]:
    """`read_picture` of each file, or its error, in one thread per CPU."""
    with warnings.catch_warnings(), ThreadPoolExecutor(available_cpus()) as pool:
        warnings.simplefilter("ignore")  # about large pictures and minor damage
        read = partial(_read_or_error, thumbnail=thumbnails, sheet=sheets)
        return list(pool.map(read, files))  # Pillow and SciPy release the GIL


def _read_or_error(file: PictureFile, *, thumbnail: bool, sheet: bool) -> DecodedPicture | InputError:
    try:
        return read_picture(file.path, thumbnail=thumbnail, sheet=sheet, name=file.name)
    except InputError as error:
        return error


def read_picture(
    path: str | Path, *, thumbnail: bool = False, sheet: bool = False, name: str | None = None
) -> DecodedPicture:
    """A picture of one digit. With `sheet` it may be blank or show many digits, and its thumbnail is larger.

    Raises InputError, which begins with the name of the file, if it cannot be decoded or shows no digit.
    """
    try:
        return decode_picture(_read_content(path), thumbnail=thumbnail, sheet=sheet)
    except Exception as error:  # damaged files raise almost any error in Pillow's decoders
        raise InputError(f"{name or path}: {describe_error(error)}") from None


def decode_picture(content: bytes, *, thumbnail: bool = False, sheet: bool = False) -> DecodedPicture:
    """As `read_picture` for a file with this content. Raises almost any error for a damaged file."""
    verify_picture(content)
    with open_picture(content) as file:
        size = upright_size(file)
        picture = _decode(file, content)
        try:
            return _find_digits(picture, size, thumbnail=thumbnail, sheet=sheet)
        except InputError as error:
            if _has_frames(file):
                raise InputError(f"{error} (its first frame)") from None
            raise


def find_digits(picture: Image.Image, *, sheet: bool = False) -> DecodedPicture:
    """As `read_picture` for a picture of Pillow."""
    size = upright_size(picture)
    return _find_digits(orient(picture), size, thumbnail=False, sheet=sheet)


def _find_digits(picture: Image.Image, size: tuple[int, int], *, thumbnail: bool, sheet: bool) -> DecodedPicture:
    """The hypotheses about a picture that `orient` returned, whose size was `size`."""
    hypotheses: list[Hypothesis] = []
    try:
        hypotheses = oriented_hypotheses(picture)
    except BlankPictureError:
        if not sheet:
            raise
    brightness = to_sheet_size(picture) if sheet else None
    small = _thumbnail(picture, SHEET_THUMBNAIL_SIZE if sheet else THUMBNAIL_SIZE) if thumbnail else None
    return DecodedPicture(hypotheses, size, small, brightness)


def _thumbnail(picture: Image.Image, size: int) -> Array:
    picture.thumbnail((size, size))
    return np.asarray(picture.convert("RGB"))


def _read_content(path: str | Path) -> bytes:
    """The bytes of a file that is not too large."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError("not a file")
    if os.path.getsize(path) > MAX_FILE_BYTES:
        raise InputError(f"has more than {MAX_FILE_BYTES >> 20:,} MiB; reduce it")
    return Path(path).read_bytes()


def _decode(file: Image.Image, content: bytes) -> Image.Image:
    """The picture as `orient` returns it. Raises InputError if it is too large, and any error if it is damaged."""
    is_jpeg = isinstance(file, JpegImageFile)  # also MPO, the JPEG of phones with further pictures behind the first
    max_pixels = MAX_JPEG_PIXELS if is_jpeg else MAX_PIXELS
    pixels = file.width * file.height
    if pixels > max_pixels or max(file.size) > MAX_SIDE:
        limit = f"at most {max_pixels:,} pixels, and {MAX_SIDE:,} a side"
        raise InputError(f"has {file.width:,}×{file.height:,} pixels; reduce it to {limit}")
    large = LARGE_JPEG if is_jpeg else LARGE
    with large_picture_lock if pixels > large else nullcontext():
        if isinstance(file, TiffImageFile):
            verify_deflate(file, content)
            with _silent_stderr():
                file.load()
        return orient(file)


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


def _has_frames(file: Image.Image) -> bool:
    """Whether a second frame follows. `n_frames` would read all of them."""
    try:
        file.seek(1)
    except Exception:  # no frame, or a damaged one
        return False
    return True


def describe_error(error: Exception) -> str:
    """Why a file cannot be read, and what to do."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        *others, last = PILLOW_FORMATS
        return f"cannot be decoded as {', '.join(others)} or {last}"
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; reduce it"
    return f"cannot be decoded ({error})"

"""Picture files, and the formats that are read, all by Pillow."""

import os
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

# Without the plugins of these formats, Pillow imports all of its forty.
from PIL import AvifImagePlugin, Image, Jpeg2KImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from digits.errors import InputError

PILLOW_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000", "AVIF")
"""Pillow's names; PPM includes PGM and PBM."""
PICTURE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm",
    ".jp2", ".j2k", ".avif", ".heic", ".heif",
)  # fmt: skip
"""Of the files of a folder, those with these names are read as pictures."""
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
"""Bytes 8 to 12 of the photographs of an iPhone (ISO/IEC 23008-12)."""
HEAD_BYTES = 12


@dataclass(frozen=True)
class PictureFile:
    """A picture on the disk, its name in messages and results, and its label if its folder is named after a digit."""

    path: Path
    name: str
    label: int | None = None


def open_picture(content: bytes) -> Image.Image:
    """A picture whose pixels are not decoded yet.

    Raises InputError for a HEIC photograph without the package pillow-heif, and Pillow's errors for other bytes."""
    formats: tuple[str, ...] = PILLOW_FORMATS
    if is_heif(content[:HEAD_BYTES]):
        register_heif()
        formats = ("HEIF",)
    return Image.open(BytesIO(content), formats=formats)


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, by its name or its content."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return True
    if not os.path.isfile(path):  # standard input or a pipe, which can be read only once
        return False
    try:
        with path.open("rb") as file:
            if is_heif(file.read(HEAD_BYTES)):
                return True
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=PILLOW_FORMATS):
            return True
    except Image.DecompressionBombError:
        return True  # refused with a reason when it is read
    except Exception:  # arbitrary bytes can raise any error in Pillow's parsers
        return False


def is_heif(head: bytes) -> bool:
    """Whether a file with these first bytes is a HEIC photograph."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


def register_heif() -> None:
    """Teaches Pillow to read HEIC. Raises InputError without the package pillow-heif."""
    if find_spec("pillow_heif") is None:
        raise InputError("a HEIC photograph; pip install pillow-heif, or save it as JPEG")
    import pillow_heif

    pillow_heif.register_heif_opener()

"""Damaged pictures. Only a checksum in the file can prove that a returned digit is wrong."""

import io
import struct
import zlib
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from benchmarks.faults.mutations import damage_bytes
from benchmarks.faults.reference import check_picture, tiff_tags
from benchmarks.faults.workers import FaultError
from digits.errors import InputError
from digits.prediction.chunks import DigitChunk
from digits.prediction.inputs import open_input
from digits.prediction.pictures import choose_digits
from digits.runs.onnx_model import predict_with_bundled

MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "TIFF": ["1", "L", "RGB", "I;16", "F"],
    "JPEG": ["L", "RGB", "CMYK"],
    "BMP": ["1", "L", "P", "RGB"],
    "WEBP": ["RGB", "RGBA"],
}
TIFF_COMPRESSIONS = ["raw", "tiff_deflate", "tiff_deflate", "tiff_lzw", "packbits", "jpeg"]
SIDES = [0, 1, 7, 27, 91, 200, 1000]
SIZE_OFFSETS = {"PNG": (16, ">I"), "BMP": (18, "<I"), "WEBP": (24, "<H")}  # of the width; the height follows


def _check(form: str, random: Random, originals: Path) -> None:
    content = _picture(random, form, originals)
    change = _change_size if random.random() < 0.15 else damage_bytes
    content = content if random.random() < 0.05 else change(random, content)
    path = Path(random.choice([f"digit.{form.lower()}", "digit", "digit.png"]))
    path.write_bytes(content)
    [chunk] = open_input(str(path), 8192).chunks
    digits = chunk if isinstance(chunk, DigitChunk) else choose_digits(chunk, predict_with_bundled)
    if digits.errors:
        raise InputError(digits.errors[0])
    if digits.images.shape != (1, 28, 28) or digits.images.dtype != np.uint8:
        raise FaultError("wrong", f"{digits.images.dtype} {list(digits.images.shape)}")
    try:
        check_picture(content)
    except Exception as error:
        raise FaultError("wrong", f"a digit, although a checksum proves damage: {error!r}") from None


CHECKS = {form: partial(_check, form) for form in MODES}


@cache
def _digits(originals: Path) -> np.ndarray[Any, Any]:
    digits: np.ndarray[Any, Any] = np.load(originals / "real.npy")
    return digits


def _picture(random: Random, form: str, originals: Path) -> bytes:
    """A real digit, enlarged."""
    digit = Image.fromarray(random.choice(_digits(originals)))
    picture = digit.resize((random.randint(28, 90),) * 2, Image.Resampling.BILINEAR)
    picture = ImageOps.invert(picture) if random.random() < 0.5 else picture
    mode, options = random.choice(MODES[form]), dict[str, Any]()
    wide = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    picture = wide if mode == "I;16" else picture.convert(mode)
    if form == "TIFF":
        options["compression"] = random.choice(TIFF_COMPRESSIONS if mode in ("L", "RGB") else TIFF_COMPRESSIONS[:5])
    options |= {"progressive": random.random() < 0.3, "lossless": random.random() < 0.5}  # of JPEG, of WebP
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _change_size(random: Random, content: bytes) -> bytes:
    """Another width or height in the header. The checksum of a PNG's header is right."""
    data, side, second = bytearray(content), random.choice(SIDES), random.randint(0, 1)
    form = Image.open(io.BytesIO(content)).format
    if form == "TIFF":
        value_form, offset = tiff_tags(content)[256 + second]
    elif form == "JPEG":
        value_form, offset = ">H", max(map(content.find, (b"\xff\xc0", b"\xff\xc2"))) + 7 - 2 * second
    else:
        start, value_form = SIZE_OFFSETS[str(form)]
        offset = start + second * struct.calcsize(value_form)
    struct.pack_into(value_form, data, offset, side % 256 ** struct.calcsize(value_form))
    if form == "PNG":
        struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    return bytes(data)

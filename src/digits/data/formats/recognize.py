"""The kind of a file, from its first bytes. The name does not decide."""

import re
import struct
from dataclasses import dataclass

from digits.data.pictures.picture_formats import HEIF_BRANDS

HEAD_BYTES = 4096
"""The first bytes of a file, from which it is recognized."""
TAR_MAGIC_OFFSET = 257


@dataclass(frozen=True)
class Refusal:
    """A kind of file that is not read: what it is, and what to do."""

    description: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.description}; {self.remedy}"


AS_CSV_OR_PNG = "save the digits as a CSV, an .npy array or pictures (PNG)"
PICKLE = Refusal(
    "a pickle, which could run any code",
    "convert it where you trust it: import pickle, gzip, numpy; "
    "numpy.savez('digits.npz', …) with its arrays as x_train, y_train, x_test, y_test",
)
PYTORCH = Refusal("a file of torch.save", "save its tensors with numpy.save, tensor.numpy()")
# Kinds by their first bytes. Longer beginnings come before shorter ones.
REFUSED_BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": Refusal("an HDF5 file", "save its arrays with numpy.savez('digits.npz', images=…, labels=…)"),
    b"MATLAB 7.3 MAT-file": Refusal("MATLAB's version 7.3", "save it with save(…, '-v7')"),
    b"SQLite format 3": Refusal("a database of SQLite", AS_CSV_OR_PNG),
    b"7z\xbc\xaf\x27\x1c": Refusal("a 7z archive", "unpack it, and give its file or folder"),
    b"Rar!\x1a\x07": Refusal("a RAR archive", "unpack it, and give its file or folder"),
    b"\0\0\1\0": Refusal("an icon", "save it as a picture (PNG)"),
    b"\x0a\x05\x01": Refusal("a PCX picture", "save it as a picture (PNG)"),
    b"8BPS": Refusal("a file of Photoshop", "save it as a picture (PNG)"),
    b"%PDF": Refusal("a PDF", "save its pages as pictures, with one digit each (PNG)"),
    b"%!PS": Refusal("a PostScript file", "save it as a picture (PNG)"),
    b"ARROW1": Refusal("an Arrow file", "save it as Parquet or as a CSV"),
    b"Obj\x01": Refusal("an Avro file", "save it as Parquet or as a CSV"),
    b"\x80\x02": PICKLE,
    b"\x80\x03": PICKLE,
    b"\x80\x04": PICKLE,
    b"\x80\x05": PICKLE,
}
# Kinds by their first words, in lower case, after blanks.
REFUSED_WORDS = {
    b"<svg": Refusal("an SVG drawing", "save it as a picture (PNG)"),
    b"<?xml": Refusal("an XML file", "an SVG drawing must be saved as a picture (PNG)"),
    b"<!doctype html": Refusal("a page of the web, not the file that it offers", "download the file itself"),
    b"<html": Refusal("a page of the web, not the file that it offers", "download the file itself"),
    b"version https://git-lfs": Refusal("a pointer of Git LFS, not the file", "get the file with git lfs pull"),
    b"@relation": Refusal("an ARFF file of Weka", "save it as a CSV: label first, then the pixels"),
    b"{": Refusal("a JSON file", AS_CSV_OR_PNG),
    b"[": Refusal("a JSON file", AS_CSV_OR_PNG),
    b"%": Refusal("a text that begins with %, as ARFF files do", "save it as a CSV: label first, then the pixels"),
    b"#define": Refusal("an XBM picture, or a program", "save it as a picture (PNG)"),
}
PICKLE_0 = re.compile(rb"\(?[cC]?(__main__|__builtin__|builtins|copy_reg|numpy|torch)\b|\([dl](p\d+)?\n")
"""The beginning of a pickle of protocol 0, which is a text."""
MOVIE_BRANDS = (b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"avc1")


def recognize(head: bytes) -> str | None:
    """`npy`, `zip`, `gzip`, `bz2`, `xz`, `mat`, `parquet` or `idx` for the first bytes of a file. None for all others,
    such as text and pictures."""
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"BZh"):
        return "bz2"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if head.startswith((b"MATLAB 5.0 MAT-file", b"MATLAB 7.0 MAT-file")) or _is_mat_4(head):
        return "mat"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head[:2] == b"\0\0" and head[2:3] in b"\x08\x09\x0b\x0c\x0d\x0e":  # the types of IDX
        return "idx"
    return None


def _is_mat_4(head: bytes) -> bool:
    """MATLAB's version 4 has no magic bytes: a type, rows, columns, whether it is complex, and a length of a name."""
    if len(head) < 20:
        return False
    kind, rows, columns, is_complex, name_length = struct.unpack("<5i", head[:20])
    name = head[20 : 20 + name_length - 1]
    is_name = 1 < name_length <= 64 and name.isascii() and name.decode().isidentifier()
    return kind in range(0, 60, 10) and rows > 0 and columns > 0 and is_complex == 0 and is_name


def find_refusal(head: bytes) -> Refusal | None:
    """Why a file is not read, from its first bytes. None if nothing speaks against it."""
    for beginning, refusal in REFUSED_BEGINNINGS.items():
        if head.startswith(beginning):
            return refusal
    words = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    for word, refusal in REFUSED_WORDS.items():
        if words.startswith(word):
            return refusal
    if head[TAR_MAGIC_OFFSET:].startswith(b"ustar"):
        return Refusal("a tar archive", "unpack it, and give its file or folder")
    if head[4:8] == b"ftyp":
        return _find_media_refusal(head[8:12])
    if PICKLE_0.match(head):
        return PICKLE
    return None


def _find_media_refusal(brand: bytes) -> Refusal | None:
    """Photographs of an iPhone and films have one kind of container."""
    if brand in HEIF_BRANDS:
        return Refusal("a HEIC photograph inside another file", "unpack it, and give the picture")
    if brand in MOVIE_BRANDS:
        return Refusal("a film", "save one frame as a picture (PNG)")
    return None

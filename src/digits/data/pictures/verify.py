"""Checks of picture files that Pillow and its decoders do not make: checksums, and numbers of parts."""

import re
import struct
import zlib

from PIL.TiffImagePlugin import TiffImageFile

MAX_PARTS = 100_000  # chunks of PNG, segments of JPEG, values of a tag of TIFF
MAX_SCANS = 100  # of a progressive JPEG; encoders write about ten
MAX_PIXEL_BYTES = 16  # four channels of 32 bits
MARGIN = 1 << 20  # bytes of incomplete strips
BLOCK_BYTES = 1 << 20
DEFLATE = (8, 32946)  # values of TIFF's tag Compression


def verify_content(content: bytes) -> None:
    """Raises ValueError or struct.error for a PNG with a wrong checksum, and for a PNG, JPEG or TIFF with too many
    parts. Call it before the file is opened."""
    if content.startswith(b"\x89PNG"):
        _verify_png(content)
    elif content.startswith(b"\xff\xd8"):
        # Within compressed data no marker follows 0xFF.
        segments = sum(1 for _ in re.finditer(rb"\xff[\xe0-\xef\xfe]", content))
        if segments > MAX_PARTS or content.count(b"\xff\xda") > MAX_SCANS:
            raise ValueError("too many segments or scans")
    elif content[:2] in (b"II", b"MM"):
        _verify_tiff_tags(content)


def _verify_png(content: bytes) -> None:
    start, name = 8, b""
    for _ in range(MAX_PARTS):
        length, name = struct.unpack_from(">I4s", content, start)
        end = start + 8 + length
        if zlib.crc32(content[start + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            raise ValueError("wrong checksum")
        if name == b"IEND":
            return
        start = end + 4
    raise ValueError("too many chunks")


def _verify_tiff_tags(content: bytes) -> None:
    """Of the first picture, in TIFF or BigTIFF."""
    order, big = "<" if content.startswith(b"II") else ">", content[2:4] in (b"+\0", b"\0+")
    [start] = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    [entries] = struct.unpack_from(order + ("Q" if big else "H"), content, start)
    first, size = (start + 8, 20) if big else (start + 2, 12)
    for entry in range(first, min(first + size * entries, len(content)), size):
        [count] = struct.unpack_from(order + ("Q" if big else "I"), content, entry + 4)
        if count > MAX_PARTS and struct.unpack_from(order + "H", content, entry)[0] in (273, 279, 324, 325):
            raise ValueError("too many strips")


def verify_deflate(picture: TiffImageFile, content: bytes) -> None:
    """Raises zlib.error if a strip or tile of a TIFF that is compressed by zlib is damaged; libtiff ignores it."""
    if picture.tag_v2.get(259) not in DEFLATE:
        return
    tags = (273, 279) if 273 in picture.tag_v2 else (324, 325)  # offsets and sizes of strips or of tiles
    offsets, sizes = (picture.tag_v2[tag] for tag in tags)
    if sum(sizes) > len(content):
        raise zlib.error("overlapping strips")
    remaining = MAX_PIXEL_BYTES * picture.width * picture.height + MARGIN
    for offset, size in zip(offsets, sizes, strict=True):
        remaining -= _decompressed_size(content[offset : offset + size], remaining)


def _decompressed_size(content: bytes, limit: int) -> int:
    """The size in bytes; holds one block of the data at a time. Raises zlib.error if they are damaged, incomplete or
    more than `limit`."""
    decompressor, size = zlib.decompressobj(), 0
    while content and not decompressor.eof and size <= limit:
        size += len(decompressor.decompress(content, BLOCK_BYTES))
        content = decompressor.unconsumed_tail
    if not decompressor.eof:
        raise zlib.error("incomplete data, or more than its pixels")
    return size

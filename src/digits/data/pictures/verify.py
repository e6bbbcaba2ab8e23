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

# Tags of TIFF, and the values of the compression by zlib.
COMPRESSION = 259
STRIP_OFFSETS, STRIP_SIZES = 273, 279
TILE_OFFSETS, TILE_SIZES = 324, 325
DEFLATE = (8, 32946)


def verify_picture(content: bytes) -> None:
    """Raises ValueError or struct.error for a PNG with a wrong checksum, and for a PNG, JPEG or TIFF with too many
    parts. Call it before the file is opened."""
    if content.startswith(b"\x89PNG"):
        _verify_png(content)
    elif content.startswith(b"\xff\xd8"):
        _verify_jpeg(content)
    elif content.startswith((b"II", b"MM")):
        _verify_tiff_tags(content)


def _verify_png(content: bytes) -> None:
    start = 8  # behind the signature
    for _ in range(MAX_PARTS):
        # A chunk: length of the data, name, data, checksum of name and data.
        length, name = struct.unpack_from(">I4s", content, start)
        end = start + 8 + length
        [checksum] = struct.unpack_from(">I", content, end)
        if zlib.crc32(content[start + 4 : end]) != checksum:
            raise ValueError("wrong checksum")
        if name == b"IEND":
            return
        start = end + 4
    raise ValueError("too many chunks")


def _verify_jpeg(content: bytes) -> None:
    # Within compressed data no marker follows 0xFF.
    segments = sum(1 for _ in re.finditer(rb"\xff[\xe0-\xef\xfe]", content))
    scans = content.count(b"\xff\xda")
    if segments > MAX_PARTS or scans > MAX_SCANS:
        raise ValueError("too many segments or scans")


def _verify_tiff_tags(content: bytes) -> None:
    """Verifies the tags of the first picture, in TIFF or BigTIFF."""
    order = "<" if content.startswith(b"II") else ">"
    if content[2:4] in (b"+\0", b"\0+"):
        # BigTIFF: an offset, the number of tags and the number of values have 8 bytes.
        offset_at, offset_type, count_type, values_type, tag_bytes = 8, "Q", "Q", "Q", 20
    else:
        offset_at, offset_type, count_type, values_type, tag_bytes = 4, "I", "H", "I", 12
    [directory] = struct.unpack_from(order + offset_type, content, offset_at)
    [count] = struct.unpack_from(order + count_type, content, directory)
    first = directory + struct.calcsize(count_type)
    end = min(first + tag_bytes * count, len(content))
    for entry in range(first, end, tag_bytes):
        # An entry: the tag and the type of its values, 2 bytes each, then their number.
        [tag] = struct.unpack_from(order + "H", content, entry)
        [values] = struct.unpack_from(order + values_type, content, entry + 4)
        is_list_of_parts = tag in (STRIP_OFFSETS, STRIP_SIZES, TILE_OFFSETS, TILE_SIZES)
        if is_list_of_parts and values > MAX_PARTS:
            raise ValueError("too many strips")


def verify_deflate(picture: TiffImageFile, content: bytes) -> None:
    """Raises zlib.error if a strip or tile of a TIFF that is compressed by zlib is damaged; libtiff ignores it."""
    tags = picture.tag_v2
    if tags.get(COMPRESSION) not in DEFLATE:
        return
    if STRIP_OFFSETS in tags:
        offsets, sizes = tags[STRIP_OFFSETS], tags[STRIP_SIZES]
    else:
        offsets, sizes = tags[TILE_OFFSETS], tags[TILE_SIZES]
    if sum(sizes) > len(content):
        raise zlib.error("overlapping strips")
    remaining = MAX_PIXEL_BYTES * picture.width * picture.height + MARGIN
    for offset, size in zip(offsets, sizes, strict=True):
        remaining -= _decompressed_size(content[offset : offset + size], remaining)


def _decompressed_size(content: bytes, limit: int) -> int:
    """The size in bytes; holds one block of the data at a time. Raises zlib.error if they are damaged, incomplete or
    more than `limit`."""
    decompressor = zlib.decompressobj()
    size = 0
    while content and not decompressor.eof and size <= limit:
        size += len(decompressor.decompress(content, BLOCK_BYTES))
        content = decompressor.unconsumed_tail
    if not decompressor.eof:
        raise zlib.error("incomplete data, or more than its pixels")
    return size

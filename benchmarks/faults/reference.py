"""Slow readers of the file formats, written from the specifications without the project's code.

Each raises an exception for a damaged file."""

import ast
import csv
import gzip
import io
import re
import struct
import zlib

NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
Digits = tuple[list[int], list[int] | None]  # the pixels of all images, their labels


class OtherFormatError(Exception):
    """A file that the reference does not read: another dialect, type or shape. It may be accepted or refused."""


def unpack(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def read_csv(content: bytes) -> Digits:
    """A number may have quotes, spaces, an exponent, and a fraction of zero. Blank lines may precede the header."""
    table = list(csv.reader(io.StringIO(unpack(content).decode("utf-8-sig"), newline=""), strict=True))
    while len(table[0]) <= 1 and not "".join(table[0]).strip():
        del table[0]
    header, *lines = table
    names = [f"pixel{k}" for k in range(784)]
    highest = {**dict.fromkeys(names, 255), **({"label": 9} if "label" in header else {})}
    rows = [dict(zip(header, line, strict=True)) for line in lines if "".join(line).strip() or len(line) > 1]
    if not rows:
        raise ValueError("no rows")
    if sorted(header) != sorted(highest):
        raise OtherFormatError("other columns")
    values = {name: [_whole_number(row[name], highest[name]) for row in rows] for name in header}
    pixels = [value for row in zip(*map(values.get, names), strict=True) for value in row]
    return _scale(pixels, len(rows)), values.get("label")


def _scale(pixels: list[int], count: int) -> list[int]:
    """Values up to 1, and of many images up to 16 or 100, are those of another range than 0 to 255."""
    highest = max(pixels)
    white = 255
    if highest <= 1:
        white = 1
    elif count >= 20 and highest in (15, 16, 100):
        white = 100 if highest == 100 else 16
    return [round(value * 255 / white) for value in pixels]


def _whole_number(cell: str, highest: int) -> int:
    value = float(cell) if NUMBER.fullmatch(cell) else -1
    if value not in range(highest + 1):
        raise ValueError(f"{cell[:40]!r} is not a whole number from 0 to {highest}")
    return int(value)


def read_idx(images: bytes, labels: bytes | None = None) -> Digits:
    pixels = _idx_values(unpack(images), (28, 28))
    numbers = None if labels is None else _idx_values(unpack(labels), ())
    if numbers is not None and (max(numbers) > 9 or len(numbers) * 784 != len(pixels)):
        raise ValueError("labels above 9, or not one per image")
    return pixels, numbers


def _idx_values(content: bytes, shape: tuple[int, ...]) -> list[int]:
    count, *sides = struct.unpack_from(f">{1 + len(shape)}i", content, 4)
    values = content[8 + 4 * len(shape) :]
    if content[:4] != bytes([0, 0, 8, 1 + len(shape)]) or tuple(sides) != shape or count < 1:
        raise OtherFormatError("another type or shape")
    if len(values) != count * (784 if shape else 1):
        raise ValueError(f"{len(values)} bytes for {count} items")
    return list(values)


def read_npy(content: bytes) -> Digits:
    start = {1: 10, 2: 12, 3: 12}[content[6]]
    [size] = struct.unpack_from("<H" if start == 10 else "<I", content, 8)
    header = ast.literal_eval(content[start : start + size].decode().strip())
    values, (count, *sides) = content[start + size :], header["shape"]
    if content[:6] != b"\x93NUMPY" or header["descr"].lstrip("|<>=") != "u1" or sides != [28, 28]:
        raise OtherFormatError("another type or shape")
    if not count or len(values) != count * 784:
        raise ValueError(f"{len(values)} bytes for {count} images")
    if header["fortran_order"]:
        places = [(n, row, column) for n in range(count) for row in range(28) for column in range(28)]
        values = bytes(values[n + count * (row + 28 * column)] for n, row, column in places)
    return list(values), None


def check_picture(content: bytes) -> None:
    """Raises if a checksum in a PNG, or in a TIFF compressed by zlib, proves damage. Other formats have none."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        start, name = 8, b""
        while name != b"IEND":
            length, name = struct.unpack_from(">I4s", content, start)
            [checksum] = struct.unpack_from(">I", content, start + 8 + length)
            if checksum != zlib.crc32(content[start + 4 : start + 8 + length]):
                raise ValueError(f"CRC of chunk {name!r}")
            start += 12 + length
    elif content[:4] in (b"II*\0", b"MM\0*"):
        for block in _deflate_blocks(content):
            zlib.decompress(block)


def _deflate_blocks(content: bytes) -> list[bytes]:
    """The compressed strips of the first picture; none with another compression, or if its tags are damaged."""
    try:
        tags = tiff_tags(content)
        values = {tag: struct.unpack_from(form, content, offset) for tag, (form, offset) in tags.items()}
        strips = zip(values[273], values[279], strict=True) if values[259][0] in (8, 32946) else ()
        return [content[start : start + size] for start, size in strips]
    except (KeyError, ValueError, struct.error):
        return []


def tiff_tags(content: bytes) -> dict[int, tuple[str, int]]:
    """Tags of the first picture in a TIFF: the format of their values for `struct`, and the offset."""
    order = "<" if content[:2] == b"II" else ">"
    [start] = struct.unpack_from(order + "I", content, 4)
    [count] = struct.unpack_from(order + "H", content, start)
    tags = {}
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, length, offset = struct.unpack_from(order + "HHII", content, entry)
        if kind in (3, 4) and length < 1000:
            form = f"{order}{length}{'H' if kind == 3 else 'I'}"
            tags[tag] = form, entry + 8 if struct.calcsize(form) <= 4 else offset
    return tags

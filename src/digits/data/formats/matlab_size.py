"""How much memory a file of MATLAB takes, before SciPy reads it: SciPy allocates what the file announces."""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import BinaryIO, NamedTuple

from digits.data.formats.digit_file import InputFile
from digits.errors import InputError

MAX_MAT_BYTES = 2 << 30
"""Of all variables of a file, which are read into memory."""
HEADER_BYTES = 128
BLOCK_BYTES = 1 << 20
VALUE_BYTES = {"int8": 1, "uint8": 1, "logical": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "single": 4}
"""By MATLAB's names of the types. Other types take at most 8 bytes."""
# Types of elements and classes of arrays (MathWorks, MAT-File Format).
MATRIX, COMPRESSED = 14, 15
CELL, STRUCTURE, OBJECT, SPARSE, LAST_WITH_SHAPE = 1, 2, 3, 5, 15


def find_bounded_variables(file: InputFile) -> list[str]:
    """The names of the variables of a file, without texts, for which SciPy has no bound.

    Raises InputError if the variables have more than `MAX_MAT_BYTES`, and any error for a damaged file."""
    from scipy.io import whosmat  # imported late: only these files need it

    too_large = InputError(f"{file.name}: more than {MAX_MAT_BYTES / 2**30:g} GB of arrays; save the images as .npy")
    if file.path.stat().st_size > MAX_MAT_BYTES:
        raise too_large
    names = []
    announced = 0
    for name, shape, type_name in whosmat(file.path):
        if type_name != "char":
            names.append(name)
            announced += abs(prod(shape)) * VALUE_BYTES.get(type_name, 8)
    if announced > MAX_MAT_BYTES:
        raise too_large
    unpacked = 0
    with file.path.open("rb") as content:
        for block in _read_elements(content):
            unpacked += block.size
            if unpacked > MAX_MAT_BYTES:
                raise too_large
            if block.container is not None:
                _require_bounded_arrays(block.container, block.order)
    return names


class Block(NamedTuple):
    """A part of an element, which is not kept."""

    size: int
    """unpacked bytes"""
    order: str
    """of the bytes: < or >"""
    container: memoryview | None = None
    """the content of a complete cell or structure, with the last part of its element"""


def _read_elements(content: BinaryIO) -> Iterator[Block]:
    """The parts of all elements of a file. Version 4 has none."""
    header = content.read(HEADER_BYTES)
    if not header.startswith(b"MATLAB"):
        return
    order = ">" if header.endswith(b"MI") else "<"
    while len(tag := content.read(8)) == 8:
        kind, size = struct.unpack(f"{order}2I", tag)
        end = content.tell() + size
        if kind == COMPRESSED:
            yield from _read_parts(_inflate(content, size), order)
        elif kind == MATRIX:
            yield from _read_parts(iter([tag + content.read(size)]), order)
        content.seek(end)


def _read_parts(parts: Iterator[bytes], order: str) -> Iterator[Block]:
    """The parts of one element. Those of cells and structures are kept until they are complete."""
    kept = []
    is_container = None
    for part in parts:
        if is_container is None:
            is_container = _array_class(part[8:], order) in (CELL, STRUCTURE, OBJECT)
        if is_container:
            kept.append(part)
        yield Block(len(part), order)
    if kept:
        yield Block(0, order, memoryview(b"".join(kept))[8:])


def _array_class(body: bytes | memoryview, order: str) -> int:
    """The class of an array, in the flags with which its content begins. Raises struct.error if it is too short."""
    (flags,) = struct.unpack_from(f"{order}I", body, 8)
    return int(flags & 0xFF)


def _require_bounded_arrays(container: memoryview, order: str) -> None:
    """Raises ValueError, or struct.error, if an array in a cell or a structure announces more values than it has bytes.
    A value takes at least one byte, a value of a cell eight."""
    bodies = [container]
    while bodies:
        body = bodies.pop()
        if len(body) == 0:  # an empty array
            continue
        elements = list(_split_elements(body, order))
        array_class = _array_class(body, order)
        if array_class != SPARSE and array_class <= LAST_WITH_SHAPE:
            _, shape = elements[1]
            values = prod(struct.unpack(f"{order}{len(shape) // 4}I", shape))
            if values > len(body):
                raise ValueError(f"{values} values in {len(body)} bytes")
        for kind, content in elements:
            if kind == MATRIX:
                bodies.append(content)


def _split_elements(body: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The types and contents of the elements of an array. Raises ValueError if one ends behind it."""
    position = 0
    while position < len(body):
        kind, size = struct.unpack_from(f"{order}2I", body, position)
        start = position + 8
        if kind >> 16:  # a small element: its size and type in four bytes, its content in the next four
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
        if start + size > len(body):
            raise ValueError("an element ends behind its array")
        yield kind, body[start : start + size]
        position = max(position + 8, start + size)
        position += -position % 8  # the next one begins at a multiple of eight bytes


def _inflate(content: BinaryIO, size: int) -> Iterator[bytes]:
    """The blocks of one compressed element."""
    inflater = zlib.decompressobj()
    while size > 0 and not inflater.eof:
        packed = content.read(min(size, BLOCK_BYTES))
        if not packed:
            return
        size -= len(packed)
        while packed:
            yield inflater.decompress(packed, BLOCK_BYTES)
            packed = inflater.unconsumed_tail

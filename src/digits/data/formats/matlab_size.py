"""How much memory a file of MATLAB takes, before SciPy reads it: SciPy allocates what the file announces."""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import BinaryIO

from digits.data.formats.digit_file import InputFile
from digits.errors import InputError

MAX_MAT_BYTES = 2 << 30
"""Of all variables of a file, which are read into memory."""
HEADER_BYTES = 128
COMPRESSED = 15
"""The type of a compressed element (MathWorks, MAT-File Format)."""
BLOCK_BYTES = 1 << 20
VALUE_BYTES = {"int8": 1, "uint8": 1, "logical": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "single": 4}
"""By MATLAB's names of the types. Other types take at most 8 bytes."""


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
        for size in _unpacked_sizes(content):
            unpacked += size
            if unpacked > MAX_MAT_BYTES:
                raise too_large
    return names


def _unpacked_sizes(content: BinaryIO) -> Iterator[int]:
    """The sizes in bytes of the blocks of all compressed elements. Version 4 has none."""
    header = content.read(HEADER_BYTES)
    if not header.startswith(b"MATLAB"):
        return
    order = ">" if header.endswith(b"MI") else "<"
    while len(tag := content.read(8)) == 8:
        kind, size = struct.unpack(f"{order}2I", tag)
        end = content.tell() + size
        if kind == COMPRESSED:
            yield from _inflate(content, size)
        content.seek(end)


def _inflate(content: BinaryIO, size: int) -> Iterator[int]:
    """The sizes of the blocks of one compressed element. The blocks are not kept."""
    inflater = zlib.decompressobj()
    while size > 0 and not inflater.eof:
        packed = content.read(min(size, BLOCK_BYTES))
        if not packed:
            return
        size -= len(packed)
        while packed:
            yield len(inflater.decompress(packed, BLOCK_BYTES))
            packed = inflater.unconsumed_tail

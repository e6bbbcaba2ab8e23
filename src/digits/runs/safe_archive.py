"""Reads archives that are as `torch.save` writes the checkpoints of this project, and no others.

`torch.load(weights_only=True)` executes no code, but it verifies no checksum and bounds neither memory nor time."""

import os
import pickletools
import re
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch

from digits.private_apis.pytorch import TORCH_SAVE_GLOBALS

MAX_MEMBERS = 10_000
MAX_PICKLE_BYTES = 1 << 22  # a checkpoint after 10,000 epochs has half of it
MAX_ITEMS = 1_000_000
MAX_DEPTH = 100
MAX_TENSOR_RATIO = 4  # bytes of all tensors for each byte of the file; tensors can share their values

MEMBERS = re.compile(
    r"data\.pkl|data/\d+|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id"
)
# Of pickle's protocol 2, in which torch.save writes.
OPCODES = {
    "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID",
    "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET",
    "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE",
    "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS",
    "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE",
}  # fmt: skip


def open_archive(path: str | Path) -> BytesIO:
    """A copy of the archive for `torch.load`. It holds the verified members, so that torch reads nothing else.

    Raises an exception if the file is damaged, or is not as `torch.save` writes it."""
    with ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise BadZipFile("too many members")
        if any(member.compress_type != ZIP_STORED for member in members):
            raise BadZipFile("compressed members")
        if sum(member.file_size for member in members) > os.path.getsize(path):
            raise BadZipFile("members larger than the file")
        contents: dict[str, bytes] = {}
        for member in members:
            name = member.filename.partition("/")[2]  # the first folder has the name of the file
            if name in contents or not MEMBERS.fullmatch(name):
                raise BadZipFile(f"another member {name}")
            contents[name] = archive.read(member)  # verifies its checksum
    _verify_pickle(contents["data.pkl"])
    copy = BytesIO()
    with ZipFile(copy, "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"archive/{name}", content)
    copy.seek(0)
    return copy


class PickleSize(NamedTuple):
    """Bounds of the size of a value. pickle fills a container in batches of 1,000, and each batch adds one level and
    one item. A shared list or dictionary counts once; `verify_size` counts it each time."""

    items: int
    """values in it and the value itself"""
    depth: int
    """levels of nesting"""


def _verify_pickle(content: bytes) -> None:
    """Reads the opcodes of a pickle and builds nothing. Raises an exception for an opcode or a global that `torch.save`
    does not write, and for a value that is too large or nested too deeply."""
    if len(content) > MAX_PICKLE_BYTES:
        raise BadZipFile("a pickle that is too long")
    stack: list[PickleSize] = []
    marks: list[int] = []  # heights of the stack
    memo: dict[Any, PickleSize] = {}
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in OPCODES:
            raise BadZipFile(f"the opcode {opcode.name}")
        if opcode.name == "GLOBAL" and not TORCH_SAVE_GLOBALS.fullmatch(str(argument)):
            raise BadZipFile(f"the global {argument}")
        if opcode.name == "MARK":
            marks.append(len(stack))
        elif opcode.name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        else:
            parts = _take_parts(opcode, stack, marks)
            size = _enclose(parts)
            stack += [size] * len(opcode.stack_after)


def _take_parts(opcode: pickletools.OpcodeInfo, stack: list[PickleSize], marks: list[int]) -> list[PickleSize]:
    """Removes the values that an opcode takes from the stack, and returns them."""
    taken = opcode.stack_before
    if pickletools.markobject in taken:  # all values since the mark, and those that precede it in the description
        start = marks.pop() - taken.index(pickletools.markobject)
    else:
        start = len(stack) - len(taken)
    parts = stack[start:]
    del stack[start:]
    return parts


def _enclose(parts: list[PickleSize]) -> PickleSize:
    """The size of a value that consists of these parts."""
    items, depth = 1, 1
    for part in parts:
        items += part.items
        depth = max(depth, 1 + part.depth)
    if items > MAX_ITEMS:
        raise BadZipFile("too many values")
    if depth > MAX_DEPTH:
        raise BadZipFile("values nested too deeply")
    return PickleSize(items, depth)


def verify_size(content: Any, archive_bytes: int) -> None:
    """Raises ValueError if the values are too many or nested too deeply, or if the tensors are larger than the
    archive allows. A value that occurs several times counts each time."""
    pending, items, tensor_bytes = [(content, 0)], 0, 0
    while pending:
        value, depth = pending.pop()
        if torch.is_tensor(value):
            tensor_bytes += value.numel() * value.element_size()
        elif isinstance(value, dict | list | tuple):
            items += len(value)
            if items > MAX_ITEMS:
                raise ValueError("too many values")
            if depth > MAX_DEPTH:
                raise ValueError("values nested too deeply")
            parts = value.values() if isinstance(value, dict) else value
            pending += [(part, depth + 1) for part in parts]
    if tensor_bytes > MAX_TENSOR_RATIO * archive_bytes:
        raise ValueError("tensors larger than the file")

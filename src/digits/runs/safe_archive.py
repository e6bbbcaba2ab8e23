"""Reads archives that are as `torch.save` writes the checkpoints of this project, and no others.

`torch.load(weights_only=True)` executes no code, but it verifies no checksum and bounds neither memory nor time."""

import os
import pickletools
import re
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch

MAX_MEMBERS = 10_000
MAX_PICKLE_BYTES = 1 << 22  # a checkpoint after 10,000 epochs has half of it
MAX_INTEGER = 1 << 63
MAX_ITEMS = 1_000_000
MAX_DEPTH = 100
MAX_TENSOR_RATIO = 4  # bytes of all tensors for each byte of the file; tensors can share their values

MEMBERS = re.compile(
    r"data\.pkl|data/\d+|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id"
)
GLOBALS = re.compile(r"torch \w+Storage|torch\._utils _rebuild_tensor_v2|collections (OrderedDict|Counter)")

# Each opcode of the pickle is one letter.
OPCODES = {
    "PROTO": "p", "STOP": ".", "MARK": "(", "GLOBAL": "g", "REDUCE": "r", "BINPERSID": "s",
    "NONE": "v", "NEWTRUE": "v", "NEWFALSE": "v", "BINFLOAT": "v", "BINUNICODE": "v",
    "BININT": "v", "BININT1": "v", "BININT2": "v", "LONG1": "v",
    "EMPTY_LIST": "c", "APPEND": "c", "APPENDS": "c", "EMPTY_DICT": "c", "SETITEM": "c", "SETITEMS": "c", "BUILD": "c",
    "EMPTY_TUPLE": ")", "TUPLE1": "1", "TUPLE2": "2", "TUPLE3": "3", "TUPLE": "t",
}  # fmt: skip
# Sequences of these letters, which stand for one value.
TUPLE = r"(?:\)|v1|vv2|vvv3|\(v{4,8}t)"  # of at most eight plain values
STORAGE = r"\(vgvvvts"
TENSOR = rf"g\({STORAGE}v{TUPLE}{TUPLE}vg\)rtr"
ORDERED_DICT = r"g\)r"
COUNTER = r"gc(?:\(?v+c)?1r"  # a schedule of PyTorch has one
PARTS = re.compile("|".join([TENSOR, ORDERED_DICT, COUNTER, TUPLE]))
# The pickle, after these values.
PICKLE = re.compile(r"p[vc(]*\.")


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
    with ZipFile(copy := BytesIO(), "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"archive/{name}", content)
    copy.seek(0)
    return copy


def _verify_pickle(content: bytes) -> None:
    """Raises an exception unless the pickle consists of plain values, lists, dictionaries, tensors and tuples of plain
    values."""
    if len(content) > MAX_PICKLE_BYTES:
        raise BadZipFile("a pickle that is too long")
    letters: list[str] = []
    memo: dict[Any, str] = {}
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = _letter_of_reuse(letters[-1])
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            letters.append(memo[argument])
        else:
            _verify_argument(opcode.name, argument)
            letters.append(OPCODES[opcode.name])
    if not PICKLE.fullmatch(PARTS.sub("v", "".join(letters))):
        raise BadZipFile("other values than those of a checkpoint")


def _verify_argument(opcode: str, argument: Any) -> None:
    if opcode == "GLOBAL" and not GLOBALS.fullmatch(argument):
        raise BadZipFile(f"the global {argument}")
    if opcode == "LONG1" and not -MAX_INTEGER <= argument < MAX_INTEGER:
        raise BadZipFile("an integer of more than 64 bits")


def _letter_of_reuse(letter: str) -> str:
    """The letter of a value that is used again, from the letter of its last opcode."""
    if letter in ")123t":
        return ")"
    return "g" if letter == "g" else "v"


def verify_content(content: Any, archive_bytes: int) -> None:
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
            pending += [(part, depth + 1) for part in (value.values() if isinstance(value, dict) else value)]
    if tensor_bytes > MAX_TENSOR_RATIO * archive_bytes:
        raise ValueError("tensors larger than the file")

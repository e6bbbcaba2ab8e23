"""Checks of an archive of `torch.save`, before and after it is loaded. Loading with `weights_only=True` executes no
code, but it verifies no checksum and bounds neither memory nor time."""

import os
import pickletools
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch

from digits.private_apis import TORCH_SAVE_GLOBALS

MAX_MEMBERS = 10_000
MAX_PICKLE_BYTES = 1 << 22  # a checkpoint after 10,000 epochs has half of it
MAX_ITEMS = 1_000_000
MAX_DEPTH = 100


def verify_archive(path: str | Path) -> None:
    """Raises BadZipFile for members that are damaged, compressed, duplicate or overlapping, and for a pickle that takes
    exponential time or allocates memory that is not in the file."""
    with open(path, "rb") as file:
        if file.read(4) != b"PK\3\4":  # torch reads what precedes an archive, zipfile skips it
            raise BadZipFile("not an archive of torch.save")
    with ZipFile(path) as archive:
        members = archive.infolist()
        names = {member.filename.casefold() for member in members}  # torch ignores the case
        if len(names) < len(members) or len(members) > MAX_MEMBERS:
            raise BadZipFile("duplicate or too many members")
        if any(member.compress_type != ZIP_STORED for member in members):
            raise BadZipFile("torch.save does not compress")
        if sum(member.file_size for member in members) > os.path.getsize(path):
            raise BadZipFile("overlapping members")
        if archive.testzip():
            raise BadZipFile("wrong checksum")
        for member in members:
            if member.filename.casefold().endswith(".pkl"):
                if member.file_size > MAX_PICKLE_BYTES:
                    raise BadZipFile("too long")
                _verify_pickle(archive.read(member))


def _verify_pickle(content: bytes) -> None:
    """Simulates the pickle with the size and the depth of each value in place of the value. Hashing a tuple takes time
    in proportion to its size, in which a shared part counts each time."""
    stack: list[tuple[int, int]] = []
    marks: list[int] = []
    memo: dict[int, tuple[int, int]] = {}
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "MARK":
            marks.append(len(stack))
        elif opcode.name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]  # type: ignore[index]
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])  # type: ignore[index]
        elif opcode.name == "GLOBAL" and not TORCH_SAVE_GLOBALS.fullmatch(str(argument)):
            raise BadZipFile("not written by torch.save")
        else:
            before = opcode.stack_before
            start = len(stack) - len(before)
            if pickletools.markobject in before:
                start = marks.pop() - before.index(pickletools.markobject)
            taken = stack[start:]
            del stack[start:]
            size, depth = 1 + sum(size for size, _ in taken), 1 + max((depth for _, depth in taken), default=0)
            if size > MAX_ITEMS or depth > MAX_DEPTH:
                raise BadZipFile("too many values")
            stack += [(size, depth)] * len(opcode.stack_after)


def verify_content(content: Any, archive_bytes: int) -> None:
    """Raises ValueError if the values, shared ones counted each time, are too many or nested too deeply, or if tensors
    claim more memory than the archive has."""
    pending, items, tensor_bytes = [(content, 0)], 0, 0
    while pending:
        value, depth = pending.pop()
        if torch.is_tensor(value):
            tensor_bytes += value.numel() * value.element_size()
        elif isinstance(value, dict | list | tuple | set):
            items += len(value)
            if items > MAX_ITEMS or depth > MAX_DEPTH:
                raise ValueError("too many values")
            pending += [(part, depth + 1) for part in (value.values() if isinstance(value, dict) else value)]
    if tensor_bytes > 4 * archive_bytes:
        raise ValueError("tensors larger than the file")

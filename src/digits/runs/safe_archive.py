"""Checks of an archive of `torch.save`, before and after it is loaded. Loading with `weights_only=True` executes no
code, but it verifies no checksum and bounds neither memory nor time."""

import os
import pickletools
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch

MAX_MEMBERS = 10_000
MAX_PICKLE_BYTES = 1 << 23  # a checkpoint after 10,000 epochs has a quarter of it
MAX_SHARED_TUPLES = 16
MAX_ITEMS = 1_000_000
MAX_DEPTH = 50


def verify_archive(path: str | Path) -> None:
    """Raises BadZipFile for members that are damaged, compressed, duplicate or overlapping, and for a pickle that takes
    exponential time or allocates memory that is not in the file."""
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
    """Refuses many shared tuples: hashing a tuple that contains another twice, and so on, takes exponential time."""
    tuples, shared, last = set(), 0, ""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            if last.startswith("TUPLE"):
                tuples.add(argument)
            continue
        shared += opcode.name in ("BINGET", "LONG_BINGET") and argument in tuples
        if shared > MAX_SHARED_TUPLES or (opcode.name == "GLOBAL" and str(argument).endswith(" bytearray")):
            raise BadZipFile("not written by torch.save")
        last = opcode.name


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

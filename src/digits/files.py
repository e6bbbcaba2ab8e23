"""Atomic writes, globs, and errors of reading or writing as one line."""

import csv
import errno
import gzip
import json
import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob, has_magic
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from digits.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

PARTIAL_SUFFIX = ".part"


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder. Renames it to `path` on success and removes it on failure.

    Writes the target of a symbolic link. Yields `path` itself for a device or a pipe.
    Raises InputError if the file cannot be written.
    """
    path = Path(path)
    try:
        check_writable(path)
        if path.exists() and not path.is_file():
            with path.open("ab"):
                yield path
            return
        target = Path(os.path.realpath(path))
        if target.is_symlink():  # realpath does not resolve a link to itself
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        temp_path = target.with_name(f".{target.name[:100]}.{token_hex(4)}{PARTIAL_SUFFIX}")
        try:
            # Not through a symbolic link, and with the permissions of a new file.
            os.close(os.open(temp_path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temp_path
            os.replace(temp_path, target)
        finally:
            with suppress(OSError):
                temp_path.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def remove_partial_files(folder: Path, name: str) -> None:
    """Removes the partial files of killed processes that wrote files of this name, a pattern, in a folder. Call it only
    while no other process writes such files there."""
    token = 8 * "[0-9a-f]"
    for path in folder.glob(f".{name}.{token}{PARTIAL_SUFFIX}"):
        with suppress(OSError):
            path.unlink()


def write_json(value: Any, path: str | Path) -> None:
    """Writes `value` as JSON, atomically. Raises InputError if the file cannot be written."""
    with atomic_write(path) as temp_path:
        temp_path.write_text(json.dumps(value, indent=2) + "\n")


def write_csv(table: "pd.DataFrame", path: str | Path) -> None:
    """Writes a table without its index as CSV, atomically. Raises InputError if the file cannot be written."""
    with atomic_write(path) as temp_path:
        table.to_csv(temp_path, index=False, float_format="%.6f", lineterminator="\n")


def check_writable(path: str | Path) -> None:
    """Raises InputError if `path` is a folder or its folder does not exist."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; create it, or name another file")


def discard_output(stream: TextIO) -> None:
    """Sends a stream that cannot be written to the null device, or its buffer would fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def glob_matches(name: str) -> list[Path] | None:
    """The files and folders that match a glob, sorted. None if `name` is not a glob, or if a file has this name."""
    if not has_magic(name) or os.path.exists(name):
        return None
    return [Path(match) for match in sorted(glob(name, recursive=True))]


def open_binary(path: str | Path) -> BinaryIO:
    """Opens a file, or standard input for `-`, and decompresses gzip. Raises InputError if it cannot be opened."""
    with translate_read_errors(str(path)):
        if str(path) == "-" and sys.stdin is None:
            raise InputError("input=-: standard input is closed")
        file: Any = sys.stdin.buffer if str(path) == "-" else open(path, "rb")  # noqa: SIM115
        is_gzip = file.peek(2)[:2] == b"\x1f\x8b"
        return gzip.open(file) if is_gzip else file  # type: ignore[return-value]


@contextmanager
def translate_read_errors(name: str) -> Iterator[None]:
    """Raises InputError, which begins with `name`, in place of the errors of opening, decompressing and decoding."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: not a text file; a CSV of digits is expected") from None
    except MemoryError:  # a damaged header can announce any size
        raise InputError(f"{name}: announces more than fits into memory; copy or download it again") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError, csv.Error) as error:  # most come from a damaged archive
        raise InputError(f"{name}: cannot be read ({error})") from None

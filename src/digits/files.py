"""Files that appear under their name whole or not at all."""

import csv
import gzip
import json
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any, BinaryIO

from digits.errors import InputError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Gives the path of a new file beside `path` to write. It takes that name when the block ends well and is removed
    when it does not, so that a file that was there before is kept until then. A device or a pipe is written directly.

    Raises InputError if the file cannot be written.
    """
    path = Path(path)
    part: Path | None = None
    try:
        check_writable(path)
        if path.exists() and not path.is_file():
            with path.open("ab"):
                yield path
            return
        target = path.resolve()  # of a link, what it points to
        handle, name = mkstemp(prefix=f".{target.name[:100]}.", suffix=".part", dir=target.parent)
        part = Path(name)
        os.close(handle)
        part.chmod(0o666 & ~_umask())
        yield part
        os.replace(part, target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if part:
            with suppress(OSError):
                part.unlink()


def write_json(value: Any, path: str | Path) -> None:
    """Writes JSON; the file is there whole or not at all. Raises InputError if it cannot be written."""
    with atomic_write(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n")


def check_writable(path: str | Path) -> None:
    """Raises InputError if no file can have this path."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; create it, or name another file")


def open_binary(path: str | Path) -> BinaryIO:
    """A file, or standard input for `-`, unpacked if it is gzipped. Raises InputError if it cannot be opened."""
    with translate_read_errors(str(path)):
        if str(path) == "-" and sys.stdin is None:
            raise InputError("input=-: standard input is closed")
        file: Any = sys.stdin.buffer if str(path) == "-" else open(path, "rb")  # noqa: SIM115
        return gzip.open(file) if file.peek(2)[:2] == b"\x1f\x8b" else file  # type: ignore[return-value]


@contextmanager
def translate_read_errors(name: str) -> Iterator[None]:
    """Turns what can go wrong with reading a file into one line."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: not a text file; a CSV of digits is expected") from None
    except (OSError, EOFError, zlib.error, csv.Error) as error:  # most are of a damaged gzip stream
        raise InputError(f"{name}: cannot be read ({error})") from None


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask

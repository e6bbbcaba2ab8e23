"""Files that appear under their name whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from digits.errors import InputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives the path of a new file beside `path` to write. It takes that name when the block ends well and is removed
    when it does not, so that a file that was there before is kept until then. A device or a pipe is written directly.

    Raises InputError if the file cannot be written.
    """
    path = Path(path)
    part: Path | None = None
    try:
        check_place(path)
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
    with whole_file(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n")


def check_place(path: str | Path) -> None:
    """Raises InputError if no file can have this path."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; create it, or name another file")


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask

"""Files that appear under their name whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from digits.errors import InputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives the path of a neighbour to write. It takes the name `path` when the block ends well and is removed when it
    does not, so that a file that was there before is kept until then. A device or a pipe is written directly.

    Raises InputError if the file cannot be written.
    """
    path = Path(path)
    part, direct = path.with_name(f"{path.name}.part"), False
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file in it")
        if not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}; create it, or name another file")
        if path.exists() and not path.is_file():
            part, direct = path, True
        with part.open("ab"):
            pass  # whether it can be written is better known before the work than after it
        yield part
        if not direct:
            os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if not direct:
            with suppress(OSError):
                part.unlink()

"""A file appears under its name whole or not at all."""

import os
from pathlib import Path

import pytest

from digits.errors import InputError
from digits.files import atomic_write


def test_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("older")
    with atomic_write(path) as part:
        part.write_text("newer")
        assert path.read_text() == "older"
    assert path.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_fault_leaves_what_was_there(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        part.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError), atomic_write(tmp_path / "some.csv") as part:
        fail(part)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as part:
        assert part == pipe
        part.write_text("digits")
    assert os.read(reader, 100) == b"digits"
    os.close(reader)
    assert pipe.is_fifo()


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "away" / "some.csv", "there is no folder"),
        (tmp_path / ("long" * 100), "cannot be written .File name too long"),
        (Path("/proc/some.csv"), "cannot be written"),
    ):
        with pytest.raises(InputError, match=message), atomic_write(path):
            pass

"""Atomic file writes, and globs."""

import os
from pathlib import Path

import pytest

from digits.errors import InputError
from digits.files import atomic_write, glob_matches, remove_partial_files


def test_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("older")
    with atomic_write(path) as temp_path:
        temp_path.write_text("newer")
        assert path.read_text() == "older"
    assert path.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "some.csv") as temp_path:
        temp_path.write_text(str(1 / 0))
    assert list(tmp_path.iterdir()) == []


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    with atomic_write(tmp_path / "some.csv"):
        os.umask(umask)
    assert (tmp_path / "some.csv").stat().st_mode & 0o777 == 0o640


def test_target_of_a_link_is_written(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    with atomic_write(tmp_path / "link.csv") as temp_path:
        temp_path.write_text("digits")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "target.csv").read_text() == "digits"


def test_pipe_is_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as path:
        path.write_text("digits")
    assert os.read(reader, 100) == b"digits"
    os.close(reader)
    assert pipe.is_fifo()


def test_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(InputError, match="symbolic links"), atomic_write(tmp_path / "loop.csv"):
        pass


def test_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    for name in (".some.csv.0123abcd.part", "some.csv", ".other.csv.0123abcd.part", ".some.csv.part"):
        (tmp_path / name).touch()
    remove_partial_files(tmp_path, "some.*")
    left = [".other.csv.0123abcd.part", ".some.csv.part", "some.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left


@pytest.mark.parametrize(("path", "message"), [
    (".", "is a folder"), ("away/some.csv", "no folder"), ("long" * 100, "too long"), ("/proc/some.csv", "cannot"),
])  # fmt: skip
def test_path_that_cannot_be_written(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(InputError, match=message), atomic_write(tmp_path / path):
        pass


def test_glob_matches_files_and_folders_unless_a_file_has_its_name(tmp_path: Path) -> None:
    for name in ("b-1", "a-1", "c[1]"):
        (tmp_path / name).mkdir()
    (tmp_path / "a-1" / "x-1").touch()
    assert glob_matches(f"{tmp_path}/*-1") == [tmp_path / "a-1", tmp_path / "b-1"]
    assert glob_matches(f"{tmp_path}/**/x-?") == [tmp_path / "a-1" / "x-1"]
    assert glob_matches(f"{tmp_path}/nothing-*") == []
    assert glob_matches(str(tmp_path / "c[1]")) is None
    assert glob_matches(str(tmp_path / "away")) is None

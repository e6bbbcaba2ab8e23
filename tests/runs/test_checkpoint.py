"""Checkpoints are read safely: no code is executed, and other files are refused in one line."""

import pickle
from collections import Counter, OrderedDict
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import pytest
import torch

from digits.errors import InputError
from digits.runs import safe_archive
from digits.runs.checkpoint import checkpoint_metadata, read_checkpoint
from digits.runs.safe_archive import open_archive, verify_size


class TouchFile:
    """Creates a file when it is unpickled by an unsafe reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    content = {"state_dict": {}, "digits": checkpoint_metadata({}), "extra": TouchFile(tmp_path / "ran")}
    torch.save(content, tmp_path / "code.ckpt")
    with pytest.raises(InputError, match=r"code\.ckpt: damaged.* no code"):
        read_checkpoint(tmp_path / "code.ckpt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("content", "message"), [
    ({"state_dict": {}}, "not a checkpoint of this project"),
    ({"digits": checkpoint_metadata({})}, "not a checkpoint of this project"),
    ({"state_dict": {}, "digits": 3}, "not a checkpoint of this project"),
    ({"state_dict": {}, "digits": {"format": 99}}, "format 99, .* reads format 1"),
    ({"state_dict": {}, "digits": {"format": True}}, "format True"),
    ({"state_dict": {}, "digits": {"format": 1, "config": None}}, "damaged; the name of its network"),
], ids=range(6))  # fmt: skip
def test_other_content_is_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    torch.save(content, tmp_path / "some.ckpt")
    with pytest.raises(InputError, match=rf"some\.ckpt: {message}"):
        read_checkpoint(tmp_path / "some.ckpt")


def save_ordinary(path: Path, **more: Any) -> None:
    """A small checkpoint with a tensor, and more entries."""
    weights = {"network.0.weight": torch.zeros(4, 1, 5, 5)}
    torch.save({"state_dict": weights, "digits": checkpoint_metadata({}), **more}, path)


SHARED = [1, 2]
BETAS = (0.9, 0.999)
VALUES = {
    "plain": [None, True, 3, -(2**40), 0.5, "text", (), (1,), (1, 2, 3), (1, 2, 3, 4, 5), (1, (2, 3))],
    "dtype": [torch.float32, torch.bfloat16],
    "ordered dictionary": OrderedDict(one=1),
    "counters": [Counter(), Counter([3]), Counter([3, 4, 4])],
    "tensors": [torch.tensor(7), torch.ones(3, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bool)],
    "list that occurs twice": [SHARED, SHARED],
    "tuple that occurs twice": [BETAS, BETAS],
    "tensor that occurs twice": 2 * [torch.ones(2)],
}


@pytest.mark.parametrize("name", VALUES)
def test_values_of_a_training_are_read(tmp_path: Path, name: str) -> None:
    save_ordinary(tmp_path / "some.ckpt", more=VALUES[name])
    assert str(read_checkpoint(tmp_path / "some.ckpt")["more"]) == str(VALUES[name])


@pytest.mark.parametrize("value", [bytearray(3), torch.eye(3).to_sparse(), {1, 2}], ids=["bytes", "sparse", "set"])
def test_other_values_are_refused(tmp_path: Path, value: Any) -> None:
    save_ordinary(tmp_path / "some.ckpt", more=value)
    with pytest.raises(BadZipFile, match="the global"):
        open_archive(tmp_path / "some.ckpt")
    with pytest.raises(InputError, match="some.ckpt: damaged"):
        read_checkpoint(tmp_path / "some.ckpt")


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "some.ckpt", pickle_protocol=4)
    with pytest.raises(BadZipFile, match="the opcode"):
        open_archive(tmp_path / "some.ckpt")


def repack(path: Path, new: Path, compression: int = ZIP_STORED, without: str = "", **more: str) -> None:
    """Copies an archive with other members or compressed."""
    with ZipFile(path) as old, ZipFile(new, "w", compression) as archive:
        for member in old.namelist():
            if member != without:
                archive.writestr(member, old.read(member))
        for member, content in more.items():
            archive.writestr(member, content)


@pytest.mark.parametrize(("changes", "error"), [
    ({"compression": ZIP_DEFLATED}, "compressed"),
    ({"some/notes.txt": "a member that torch.save does not write"}, "another member notes.txt"),
    ({"notes.txt": "outside of the folder"}, "another member"),
    ({"other/version": "in another folder"}, "another member version"),
    ({"without": "some/data.pkl"}, "data.pkl"),
], ids=range(5))  # fmt: skip
def test_archive_of_another_program_is_refused(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    save_ordinary(tmp_path / "some.ckpt")
    repack(tmp_path / "some.ckpt", tmp_path / "same.ckpt")
    read_checkpoint(tmp_path / "same.ckpt")
    repack(tmp_path / "some.ckpt", tmp_path / "other.ckpt", **changes)
    with pytest.raises((BadZipFile, KeyError), match=error):
        open_archive(tmp_path / "other.ckpt")
    with pytest.raises(InputError, match="other.ckpt: damaged"):
        read_checkpoint(tmp_path / "other.ckpt")


def test_older_serialization_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match="old.ckpt: damaged"):
        read_checkpoint(tmp_path / "old.ckpt")


@pytest.mark.parametrize(("limit", "value", "error"), [
    ("MAX_MEMBERS", 3, "too many members"),
    ("MAX_PICKLE_BYTES", 50, "too long"),
    ("MAX_ITEMS", 2, "too many values"),
    ("MAX_DEPTH", 0, "nested too deeply"),
    ("MAX_TENSOR_RATIO", 0, "tensors larger than the file"),
])  # fmt: skip
def test_sizes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, error: str) -> None:
    path = tmp_path / "some.ckpt"
    save_ordinary(path)
    read_checkpoint(path)
    monkeypatch.setattr(safe_archive, limit, value)
    with pytest.raises((BadZipFile, ValueError), match=error):
        verify_size(torch.load(open_archive(path)), path.stat().st_size)
    with pytest.raises(InputError, match="some.ckpt: damaged"):
        read_checkpoint(path)


def test_values_that_occur_several_times_count_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tuples, lists = pickle.dumps(10 * [BETAS], protocol=2), 10 * [SHARED]
    safe_archive._verify_pickle(tuples)
    verify_size(lists, archive_bytes=100)
    monkeypatch.setattr(safe_archive, "MAX_ITEMS", 25)  # more than ten and two
    with pytest.raises(BadZipFile, match="too many values"):
        safe_archive._verify_pickle(tuples)
    with pytest.raises(ValueError, match="too many values"):
        verify_size(lists, archive_bytes=100)


def test_members_are_not_larger_than_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_ordinary(tmp_path / "some.ckpt")
    monkeypatch.setattr("os.path.getsize", lambda path: 100)
    with pytest.raises(BadZipFile, match="larger than the file"):
        open_archive(tmp_path / "some.ckpt")


def test_only_verified_members_are_loaded(tmp_path: Path) -> None:
    """Bytes before the archive do not belong to a member."""
    save_ordinary(tmp_path / "some.ckpt")
    with ZipFile(tmp_path / "some.ckpt") as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    (tmp_path / "longer.ckpt").write_bytes(b"a line of text\n" + (tmp_path / "some.ckpt").read_bytes())
    copy = open_archive(tmp_path / "longer.ckpt").getvalue()
    assert b"a line of text" not in copy
    with ZipFile(BytesIO(copy)) as archive:
        assert {name.partition("/")[2]: archive.read(name) for name in archive.namelist()} == members


@pytest.mark.parametrize("damage", ["empty", "text", "noise", "half", "one byte changed", "missing"])
def test_other_bytes_are_refused(trained: Path, tmp_path: Path, damage: str) -> None:
    checkpoint = (trained / "checkpoints" / "last.ckpt").read_bytes()
    middle = len(checkpoint) // 2
    contents = {
        "empty": b"",
        "text": b"hello",
        "noise": bytes(range(256)) * 100,
        "half": checkpoint[:middle],
        "one byte changed": checkpoint[:middle] + bytes([checkpoint[middle] ^ 64]) + checkpoint[middle + 1 :],
    }
    if damage in contents:
        (tmp_path / "some.ckpt").write_bytes(contents[damage])
    with pytest.raises(
        InputError, match=r"some\.ckpt: " + ("no such checkpoint" if damage == "missing" else "damaged")
    ):
        read_checkpoint(tmp_path / "some.ckpt")

"""Checkpoints are read safely: no code is executed, and other files are refused in one line."""

from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
import torch

from digits.errors import InputError
from digits.runs.checkpoint import checkpoint_metadata, read_checkpoint


class Malice:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    content = {"state_dict": {}, "digits": checkpoint_metadata({}), "extra": Malice(tmp_path / "ran")}
    torch.save(content, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match=r"evil\.ckpt: damaged.* no code"):
        read_checkpoint(tmp_path / "evil.ckpt")
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


def save_bombs(folder: Path) -> None:
    """Small archives that take much memory or time when they are loaded or walked through."""
    shared: list[Any] = []
    for _ in range(64):
        shared = [shared, shared]
    content = {"state_dict": {}, "digits": checkpoint_metadata({})}
    bombs = {"shared": shared, "expanded": torch.zeros(1).expand(1 << 40)}
    for name, bomb in bombs.items():
        torch.save(content | {"more": bomb}, folder / f"{name}.ckpt")
    torch.save({**content, "more": bytearray(3)}, folder / "bytearray.ckpt")

    hash_steps = [b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x80\2q" + bytes([i + 1]) for i in range(64)]
    pickles = {
        "hash with PROTO": b"\x80\2" + b"".join(hash_steps),  # a no-op between tuple and memo
        "deep key": 200_000 * b"\x85",
        "hex": 40 * b"X\3\0\0\0hex\x86R",
        # A dictionary whose key is a pair of twice the same pair, and so on.
        "hash": b"".join(bytes([ord("h"), i, ord("h"), i, 0x86, ord("q"), i + 1]) for i in range(64)),
        "deep": 5000 * b"]" + 5000 * b"a",
    }
    starts = {"hex": b"K\1" + 40 * b"c_codecs\nencode\n" + b"X\1\0\0\0a", "deep": b"K\1]"}
    for name, opcodes in pickles.items():
        end = b"s." if name in starts else b"K\1s."
        with ZipFile(folder / f"{name}.ckpt", "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\2}" + starts.get(name, b")q\0") + opcodes + end)
            archive.writestr("archive/version", "3\n")
    with ZipFile(folder / "long.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + 9_000_000 * b"N" + b".")

    torch.save(content, folder / "plain.ckpt")
    torch.save(content, folder / "legacy.ckpt", _use_new_zipfile_serialization=False)
    with ZipFile(folder / "legacy.ckpt", "a") as archive:
        archive.writestr("archive/version", "3\n")
    with ZipFile(folder / "plain.ckpt") as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    for name, compression in {"compressed": ZIP_DEFLATED, "duplicate": ZIP_STORED, "overlapping": ZIP_STORED}.items():
        with ZipFile(folder / f"{name}.ckpt", "w", compression) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
            if name == "duplicate":
                archive.writestr("plain/DATA.pkl", members["plain/data.pkl"])
            elif name == "overlapping":  # a member within another
                with ZipFile(inner := BytesIO(), "w") as hidden:
                    hidden.writestr("plain/data/9", bytes(10_000))
                archive.writestr("plain/data/8", inner.getvalue())
                [info] = hidden.infolist()
                info.header_offset = archive.getinfo("plain/data/8").header_offset + len("plain/data/8") + 30
                archive.filelist.append(info)


BOMBS = (
    "shared", "expanded", "bytearray", "hash", "hash with PROTO", "deep", "deep key", "hex", "long", "legacy",
    "compressed", "duplicate", "overlapping",
)  # fmt: skip


def test_bombs_are_refused(tmp_path: Path) -> None:
    save_bombs(tmp_path)
    read_checkpoint(tmp_path / "plain.ckpt")
    for name in BOMBS:
        with pytest.raises(InputError, match=f"{name}.ckpt: damaged"):
            read_checkpoint(tmp_path / f"{name}.ckpt")


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

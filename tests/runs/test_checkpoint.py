"""Checkpoints are read safely: no code is executed, and other files are refused in one line."""

from pathlib import Path
from typing import Any

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

"""Hostile pickles: they execute code, which creates the file `canary`, or take forever to load."""

import os
import pickle
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch


class _Call:
    """Unpickled as the result of calling a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def payload(random: Random) -> object:
    Path("second.bin").write_bytes(pickle.dumps(_Call(os.system, "touch canary"), protocol=2))
    return random.choice([
        _Call(os.system, "touch canary"), _Call(exec, "open('canary', 'w')"), _Call(open, "canary", "w"),
        _Call(Path.touch, Path("canary")), _Call(partial(torch.load, weights_only=False), "second.bin"),
    ])  # fmt: skip


def nested_key() -> bytes:
    """A dictionary whose key consists of 64 nested pairs: 2 to the power of 64 steps to hash it."""
    pairs = b"".join(b"h%ch%c\x86q%c" % (level, level, level + 1) for level in range(64))
    return b"\x80\x02)q\0" + pairs + b"}h\x40K\0s."

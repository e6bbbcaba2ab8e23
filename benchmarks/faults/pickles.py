"""Pickles with code, which would create the file `canary`."""

import os
from pathlib import Path
from random import Random
from typing import Any


class _Call:
    """Unpickled as the result of calling a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def payload(random: Random) -> object:
    return random.choice([
        _Call(os.system, "touch canary"), _Call(exec, "open('canary', 'w')"), _Call(open, "canary", "w"),
        _Call(Path.touch, Path("canary")),
    ])  # fmt: skip

"""The folder of a run: nothing finished in it is ever overwritten."""

import json
from pathlib import Path

from digits.errors import InputError


def unfinished(folder: str) -> str:
    """The folder itself; raises InputError if a finished run is in it."""
    try:
        status = json.loads((Path(folder) / "metrics.json").read_text())["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return folder
    if status == "completed":
        raise InputError(f"{folder} holds a finished run; choose another name, or remove that folder")
    return folder

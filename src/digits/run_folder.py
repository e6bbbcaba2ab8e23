"""The folder of a run: a resumed one goes on in its own, and nothing finished is ever overwritten."""

import json
from pathlib import Path

from digits.errors import InputError


def run_folder(name: str, resume: str | None) -> str:
    """outputs/`name`, or the folder of the run that left the checkpoint `resume`. Raises InputError if a finished run
    is there, an
    interrupted one that is not resumed, or no such checkpoint."""
    if resume is None:
        last = Path("outputs", str(name), "checkpoints", "last.ckpt")
        folder = unfinished(f"outputs/{name}")
        if last.is_file():
            raise InputError(
                f"{folder} holds an interrupted run; add resume={last}, choose another name=…, or remove it"
            )
        return folder
    checkpoint = Path(str(resume))
    if not checkpoint.is_file():
        raise InputError(f"resume={resume}: no such file; a run leaves outputs/…/checkpoints/last.ckpt")
    return unfinished(str(checkpoint.parent.parent) if checkpoint.parent.name == "checkpoints" else f"outputs/{name}")


def unfinished(folder: str) -> str:
    """The folder itself; raises InputError if a finished run is in it."""
    try:
        status = json.loads((Path(folder) / "metrics.json").read_text())["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return folder
    if status == "completed":
        raise InputError(f"{folder} holds a finished run; choose another name=…, or remove that folder")
    return folder

"""The folder of a run: a resumed one goes on in its own, and nothing finished is ever overwritten."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from digits.errors import InputError
from digits.runs.fingerprint import fingerprint
from digits.runs.metrics_file import read_metrics

LOCK = ".lock"


def resolve_run_folder(name: str, resume: str | None) -> str:
    """outputs/`name`, or the folder of the run that left the checkpoint `resume`. Raises InputError if a finished run
    is there, an
    interrupted one that is not resumed, or no such checkpoint."""
    if resume is None:
        last = Path("outputs", str(name), "checkpoints", "last.ckpt")
        folder = require_not_completed(f"outputs/{name}")
        if last.is_file():
            raise InputError(
                f"{folder} holds an interrupted run; add resume={last}, choose another name=…, or remove it"
            )
        return folder
    checkpoint = Path(str(resume))
    if not checkpoint.is_file():
        raise InputError(f"resume={resume}: no such file; a run leaves outputs/…/checkpoints/last.ckpt")
    return require_not_completed(
        str(checkpoint.parent.parent) if checkpoint.parent.name == "checkpoints" else f"outputs/{name}"
    )


def require_not_completed(folder: str) -> str:
    """The folder itself; raises InputError if a finished run is in it."""
    try:
        status = json.loads((Path(folder) / "metrics.json").read_text())["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return folder
    if status == "completed":
        raise InputError(f"{folder} holds a finished run; choose another name=…, or remove that folder")
    return folder


def resumable_checkpoint(folder: Path, settings: Mapping[str, Any]) -> Path | None:
    """The last whole epoch of a run in this folder that is not finished and was trained with the same settings and
    code; None if there is none."""
    last = folder / "checkpoints" / "last.ckpt"
    try:
        metrics = read_metrics(folder / "metrics.json")
    except InputError:
        return None
    same = metrics.get("fingerprint") == fingerprint(settings)
    return last if same and metrics["status"] != "completed" and last.is_file() else None


@contextmanager
def folder_lock(folder: Path, message: str) -> Iterator[None]:
    """Holds the folder for this process; the system lets go of it however the process ends.

    Raises InputError with the message if another process holds it."""
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout as error:
        raise InputError(message) from error

"""Checkpoint files: by their path, by the folder of their run, or by a glob."""

import os
from collections.abc import Sequence
from pathlib import Path

from digits.errors import InputError
from digits.files import glob_matches
from digits.runs.folder import RunFolder

CHECKPOINT_SUFFIXES = (".ckpt", ".onnx")
BUNDLED = "bundled"
BUNDLED_PATH = Path(__file__).parents[1] / "bundled.ckpt"  # docs/model_card.md


def find_checkpoints(given: str | Path | Sequence[str | Path]) -> list[Path]:
    """Finds checkpoint files (`.ckpt`, `.onnx`) by their path, by the folder of their run, or by a glob that matches
    such files and folders. `bundled` is the network of this package.

    Raises InputError for a folder or a glob without a checkpoint.
    """
    names = [given] if isinstance(given, str | Path) else given
    found: list[Path] = []
    for name in names:
        found += _find(str(name))
    if not found:
        raise InputError("checkpoint=[]: give at least one checkpoint")
    return found


def require_checkpoint(path: str | Path) -> None:
    """Raises InputError if there is no such file."""
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such checkpoint; a run saves outputs/…/checkpoints/last.ckpt")


def _find(name: str) -> list[Path]:
    """The checkpoint of one name, or the checkpoints of a glob."""
    path = Path(name)
    if name == BUNDLED:
        return [BUNDLED_PATH]
    if os.path.isdir(path):
        checkpoint = RunFolder(path).scored_checkpoint()
        if checkpoint is None:
            raise InputError(f"{name}: a folder without a checkpoint; the folder of a run has checkpoints/last.ckpt")
        return [checkpoint]
    matches = glob_matches(name)
    if matches is None:
        return [path]
    return _choose_checkpoints(name, matches)


def _choose_checkpoints(pattern: str, matches: Sequence[Path]) -> list[Path]:
    """The checkpoints, and those of the folders of runs, that match a glob."""
    found = []
    for match in matches:
        path: Path | None = match
        if match.is_dir():
            path = RunFolder(match).scored_checkpoint()
        if path is not None and path.suffix in CHECKPOINT_SUFFIXES:
            found.append(path)
    if not found:
        raise InputError(f"{pattern}: matches no checkpoint, and no folder of a run with a checkpoint")
    return found

"""What a checkpoint holds besides Lightning's part, and how it is found and read back safely."""

import json
import os
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import Any
from warnings import catch_warnings
from zipfile import BadZipFile, ZipFile

import torch

from digits.errors import InputError
from digits.files import atomic_write

FORMAT = 1
SUFFIXES = (".ckpt", ".onnx")


def find_checkpoints(given: str | Path | Sequence[str | Path]) -> list[Path]:
    """The checkpoint files (`.ckpt`, `.onnx`) that are meant: each is named itself, by its run's folder, or by a glob
    that matches such files and folders.

    Raises InputError if there is none where one should be.
    """
    names = [given] if isinstance(given, str | Path) else given
    found = [path for name in names for path in _matches(str(name))]
    if not found:
        raise InputError("checkpoint=[]: name at least one checkpoint")
    return found


def _matches(name: str) -> Iterator[Path]:
    path = Path(name)
    if path.is_dir():
        if not (kept := _kept(path)):
            raise InputError(f"{name}: a folder without a checkpoint; that of a run has checkpoints/last.ckpt")
        yield kept
    elif has_magic(name) and not path.exists():
        matched = [Path(match) for match in sorted(glob(name, recursive=True))]
        kept_ones = [_kept(match) if match.is_dir() else match for match in matched]
        files = [match for match in kept_ones if match and match.suffix in SUFFIXES]
        if not files:
            raise InputError(f"{name}: matches no checkpoint and no run's folder that holds one")
        yield from files
    else:
        yield path


def _kept(folder: Path) -> Path | None:
    """The checkpoint that a run's folder is about: the one whose scores are in its metrics.json."""
    try:
        named = folder / str(json.loads((folder / "metrics.json").read_text())["checkpoint"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        named = folder / "checkpoints" / "last.ckpt"
    return named if named.is_file() else None


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The checkpoint on the CPU; nothing in the file is executed.

    Raises InputError if it is missing, damaged, not from this project or of a format that is not known.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such checkpoint; a run leaves it in outputs/…/checkpoints/last.ckpt")
    try:
        with ZipFile(path) as archive, catch_warnings(action="ignore"):
            if archive.testzip():  # torch does not look at the checksums
                raise BadZipFile
            checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception:  # bytes that are no checkpoint can make the unpickler stumble over anything
        raise InputError(f"{path}: damaged, or not a checkpoint of this project; nothing in it was run") from None
    ours = checkpoint.get("digits") if isinstance(checkpoint, dict) else None
    if not isinstance(ours, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise InputError(f"{path}: not a checkpoint of this project")
    if type(ours.get("format")) is not int or ours["format"] != FORMAT:
        raise InputError(
            f"{path}: format {ours.get('format')}, but this version of digits reads format {FORMAT}; "
            "predict with the version that wrote it"
        )
    if not isinstance(ours.get("config"), dict):
        raise InputError(f"{path}: damaged; it does not say which network it holds")
    return checkpoint


def add_to_checkpoint(path: Path, **values: float) -> None:
    """Writes values beside the configuration into a finished checkpoint; it is there whole at every moment."""
    checkpoint = read_checkpoint(path)
    checkpoint["digits"].update(values)
    with atomic_write(path) as part:
        torch.save(checkpoint, part)

"""What decides a result, the settings and the code, and short hashes that tell whether they are still the same."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

HIDDEN = ("name", "study", "resume", "logger", "data.root", "data.download")  # what says nothing of a result
FREE = (*HIDDEN, "trainer.accelerator")  # what may differ between runs with one result
CODE = (
    "augmentation",
    "calibration",
    "csv_file",
    "csv_values",
    "datamodule",
    "metrics",
    "mnist_files",
    "module",
    "networks",
    "reproducible",
    "schedules",
    "score",
    "sources",
    "split",
    "training",
)


def fingerprint(settings: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of 12 hexadecimal digits: `settings` of the resolved configuration, `code` of this package's files that
    read, split, train and score."""
    deciding = {key: value for key, value in flat(settings).items() if not key.startswith(FREE)}
    return {"settings": _hash(json.dumps(deciding, sort_keys=True).encode()), "code": code_hash(Path(__file__).parent)}


@cache  # of the code that this process began with
def code_hash(package: Path) -> str:
    """Of the files `CODE` in that folder."""
    return _hash(b"".join((package / f"{name}.py").read_bytes() for name in CODE))


def flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dictionary: {"optimizer": {"lr": 1}} is {"optimizer.lr": 1}."""
    if not isinstance(settings, Mapping):
        return {prefix: settings}
    leaves = {}
    for key, value in settings.items():
        leaves.update(flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return leaves


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]

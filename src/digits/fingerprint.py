"""What decides a result, the settings and the code, and short hashes that tell whether they are still the same."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Where things are and how they are watched: what may differ between two runs with the same result.
FREE = (
    "name",
    "study",
    "resume",
    "trainer.accelerator",
    "trainer.callbacks",
    "logger",
    "data.root",
    "data.download",
    "data.train_csv",
    "data.test_csv",
)
CODE = (
    "calibration",
    "csv_file",
    "datamodule",
    "metrics",
    "mnist_files",
    "module",
    "networks",
    "reproducible",
    "schedules",
    "sources",
    "split",
    "training",
)


def fingerprint(settings: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of 12 hexadecimal digits: `settings` of the resolved configuration, `code` of this package's files that
    read, split, train and score."""
    deciding = {key: value for key, value in flat(settings).items() if not key.startswith(FREE)}
    sources = b"".join((Path(__file__).parent / f"{name}.py").read_bytes() for name in CODE)
    return {"settings": _hash(json.dumps(deciding, sort_keys=True).encode()), "code": _hash(sources)}


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

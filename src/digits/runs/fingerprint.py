"""Short hashes of everything that decides a result: the settings and the code."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from digits.compat import add_missing_settings
from digits.config import flatten

BOOKKEEPING_KEYS = ("name", "study", "resume", "debug", "find", "explain", "logger", "data.root", "data.download")
"""Settings that are not part of an experiment; tables never show them."""
RESULT_NEUTRAL_KEYS = (*BOOKKEEPING_KEYS, "trainer.accelerator")
"""Settings that may differ between runs with the same result."""
FINGERPRINTED = ("data", "models", "evaluation", "training", "seeding.py", "devices.py")
"""Packages and modules that decide a result."""


def fingerprint(config: Mapping[str, Any], precision: str | None) -> dict[str, str]:
    """Hashes of 12 hexadecimal digits: `settings` of the resolved configuration with the precision that it computes in,
    `code` of the Python files that read, split, train and score."""
    settings = {**relevant_settings(config), "trainer.precision": precision}
    return {"settings": _hash(json.dumps(settings, sort_keys=True).encode()), "code": source_hash()}


def relevant_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide a result, by dotted key."""
    settings = all_settings(config)
    return {key: value for key, value in settings.items() if not key.startswith(RESULT_NEUTRAL_KEYS)}


def all_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by dotted key, including those that were added after the run."""
    return add_missing_settings(flatten(config))


@cache  # of the code that this process started with
def source_hash(package: Path = Path(__file__).parents[1]) -> str:
    """Hash of the files in `FINGERPRINTED`."""
    content = b""
    for name in FINGERPRINTED:
        for path in _python_files(package / name):
            content += path.read_bytes()
    return _hash(content)


def _python_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]

"""What decides a result, the settings and the code, and short hashes that tell whether they are still the same."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from digits.config import flatten

BOOKKEEPING_KEYS = ("name", "study", "resume", "logger", "data.root", "data.download")  # what says nothing of a result
RESULT_NEUTRAL_KEYS = (*BOOKKEEPING_KEYS, "trainer.accelerator")  # what may differ between runs with one result
FINGERPRINTED_PACKAGES = ("data", "models", "evaluation", "training")


def fingerprint(settings: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of 12 hexadecimal digits: `settings` of the resolved configuration, `code` of this package's files that
    read, split, train and score."""
    deciding = {key: value for key, value in flatten(settings).items() if not key.startswith(RESULT_NEUTRAL_KEYS)}
    return {
        "settings": _hash(json.dumps(deciding, sort_keys=True).encode()),
        "code": source_hash(Path(__file__).parents[1]),
    }


@cache  # of the code that this process began with
def source_hash(package: Path) -> str:
    """Hash of the Python files of `FINGERPRINTED_PACKAGES` in the folder `package`."""
    paths = [path for name in FINGERPRINTED_PACKAGES for path in sorted((package / name).rglob("*.py"))]
    return _hash(b"".join(path.read_bytes() for path in paths))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]

"""A resolved configuration, as nested plain values."""

from collections.abc import Mapping
from typing import Any

from digits.compat import rename_targets


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key: {"optimizer": {"lr": 1}} is {"optimizer.lr": 1}. Old names of this project's
    classes and functions are replaced by their present names."""
    if not isinstance(config, Mapping):
        return {prefix: rename_targets(config)}
    leaves = {}
    for key, value in config.items():
        dotted_key = f"{prefix}.{key}" if prefix else str(key)
        leaves.update(flatten(value, dotted_key))
    return leaves

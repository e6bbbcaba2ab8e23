"""Checks of settings. `require…` raises InputError that names the setting, its value, and the expected values."""

import json
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, TypeAlias, TypeGuard

from digits.config import flatten
from digits.errors import InputError

Paths: TypeAlias = str | list[str]
"""One path, or several."""

MAX_INT = 2**31 - 1
MAX_SEED = 2**32 - 1
TRANSFORMS = (
    "auto", "invert", "transpose", "flip_horizontally", "flip_vertically", "rotate_180", "rotate_left", "rotate_right",
    "remove_background", "center",
)  # fmt: skip
"""Of images that do not follow MNIST's convention; those of `digits.data.conventions`."""
QUOTED = "in a file of settings, a name such as 2024 or true needs quotes"


def require_no_missing_value(config: Mapping[str, Any]) -> None:
    """Raises InputError if a setting has the value ???, which marks a missing value."""
    for setting, value in sorted(flatten(config).items()):
        if value == "???":
            raise InputError(f"{setting} is required; add {setting}=…")


def require_one_device(config: Mapping[str, Any]) -> None:
    """Raises InputError if a run with this configuration cannot be a job of a sweep."""
    trainer = config.get("trainer") or {}
    devices = trainer.get("devices")
    count = len(devices) if isinstance(devices, list) else devices
    if (isinstance(count, int) and count > 1) or trainer.get("num_nodes", 1) != 1:
        raise InputError(
            "trainer=ddp (several devices for one run) cannot be part of a sweep (-m); run it alone, "
            "or give each job one device: trainer.devices=1"
        )


def require(is_valid: bool, setting: str, value: object, expected: str) -> None:
    """Raises InputError if the value of a setting is not valid."""
    if not is_valid:
        raise InputError(f"{setting}={as_yaml(value)}: must be {expected}")


def require_bool(setting: str, value: object) -> None:
    require(isinstance(value, bool), setting, value, "true or false")


def require_choice(setting: str, value: object, choices: Sequence[str]) -> None:
    expected = " or ".join(choices) if len(choices) == 2 else f"one of {', '.join(choices)}"
    require(value in choices, setting, value, expected)


def require_count(setting: str, value: object) -> None:
    require(is_integer(value) and 1 <= value <= MAX_INT, setting, value, f"an integer from 1 to {MAX_INT}")


def require_seed(value: object) -> None:
    require(is_integer(value) and 0 <= value <= MAX_SEED, "seed", value, f"an integer from 0 to {MAX_SEED}")


def require_positive(setting: str, value: object) -> None:
    require(is_number(value) and 0 < value < inf, setting, value, "a number above 0")


def require_fraction(setting: str, value: object, highest: float) -> None:
    require(is_number(value) and 0 <= value <= highest, setting, value, f"a number from 0 to {highest}")


def require_path(setting: str, value: object) -> None:
    """A path, or nothing."""
    is_path = value is None or (isinstance(value, str) and value != "")
    require(is_path, setting, value, f"a path; {QUOTED}")


def require_file_type(setting: str, value: object, suffix: str) -> None:
    """A path with this suffix, or nothing."""
    is_path = value is None or (isinstance(value, str) and value.lower().endswith(suffix))
    require(is_path, setting, value, f"a path that ends in {suffix}")


def require_transform(setting: str, value: object) -> None:
    """A transform of images, `auto`, or nothing."""
    require(value in (None, *TRANSFORMS), setting, value, f"null, or one of {', '.join(TRANSFORMS)}")


def is_paths(value: object) -> TypeGuard[Paths]:
    """Whether a value is a path, or a list of them."""
    paths = value if isinstance(value, list) else [value]
    return len(paths) > 0 and all(isinstance(path, str) and path != "" for path in paths)


def is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_yaml(value: object) -> str:
    """A value as the command line has it: true, false, null."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)[:100]

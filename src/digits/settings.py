"""Checks of the settings that no library checks in a line a user understands."""

from collections.abc import Callable
from math import inf
from typing import Any

from omegaconf import DictConfig, OmegaConf

from digits.errors import InputError


def check_settings(config: DictConfig) -> None:
    """Raises InputError that names the first setting that is missing or out of its range."""
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise InputError(f"{missing[0]} is needed and not given; add {missing[0]}=…")
    for key, (fits, expected) in EXPECTED.items():
        value = OmegaConf.select(config, key)
        if not fits(value):
            raise InputError(f"{key}={value}: must be {expected}")
    validates = config.data.val_size > 0 or config.data.folds is not None
    if config.weights == "best" and not validates:
        raise InputError("weights=best is chosen by the validation error, but data.val_size=0 leaves none")
    if config.schedule and config.schedule.get("_target_") == "digits.schedules.plateau" and not validates:
        raise InputError("schedule=plateau watches the validation error, but data.val_size=0 leaves none")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "seed": (lambda value: _whole(value) and 0 <= value < 2**32, "a whole number from 0 to 4294967295"),
    "label_smoothing": (lambda value: _number(value) and 0 <= value < 1, "a number from 0 to below 1"),
    "ema": (
        lambda value: value is None or (_number(value) and 0 < value < 1),
        "null, or a decay between 0 and 1",
    ),
    "weights": (lambda value: value in ("last", "best"), "last or best"),
    "optimizer.lr": (lambda value: value is None or (_number(value) and 0 < value < inf), "a number above 0"),
    "data.batch_size": (lambda value: _whole(value) and value >= 1, "a whole number, at least 1"),
    "data.val_size": (lambda value: _number(value) and 0 <= value < inf, "a count (500) or a fraction (0.1)"),
    "data.split_seed": (_whole, "a whole number"),
    "data.folds": (lambda value: value is None or _whole(value), "null, or a whole number"),
    "data.fold": (_whole, "a whole number"),
    **{
        key: (lambda value: value is None or isinstance(value, str), "a path")
        for key in ("resume", "data.root", "data.train_csv", "data.test_csv")
    },
    "trainer.precision": (lambda value: value in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
    "trainer.max_epochs": (lambda value: _whole(value) and value >= 1, "a whole number, at least 1"),
}

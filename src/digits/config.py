"""Checks of the settings that no library checks in a line a user understands."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, TypeAlias

from omegaconf import DictConfig, OmegaConf

from digits.errors import InputError


def validate_train(config: DictConfig) -> None:
    """Raises InputError that names the first setting of a training that is missing or out of its range."""
    _check(config, EXPECTED)
    validates = config.data.val_size > 0 or config.data.folds is not None
    if config.weights == "best" and not validates:
        raise InputError("weights=best is chosen by the validation error, but data.val_size=0 leaves none")
    if config.schedule and config.schedule.get("_target_") == "digits.training.schedules.plateau" and not validates:
        raise InputError("schedule=plateau watches the validation error, but data.val_size=0 leaves none")


def validate_predict(config: DictConfig) -> None:
    """Raises InputError that names the first setting of a prediction that is missing or out of its range."""
    _check(config, EXPECTED_TO_PREDICT)
    if config.input is None and config.export is None:
        raise InputError("nothing to do: name the digits to predict, input=…, or a model to export, export=…")


def validate_sweep_job(settings: Mapping[str, Any]) -> None:
    """Raises InputError if the resolved settings of a training cannot be those of a job in a sweep."""
    trainer = settings.get("trainer") or {}
    devices = trainer.get("devices")
    count = len(devices) if isinstance(devices, list) else devices
    if (isinstance(count, int) and count > 1) or trainer.get("num_nodes", 1) != 1:
        raise InputError(
            "trainer=ddp, several devices for one run, cannot be part of a sweep (-m); run it alone, or give each job "
            "one device: trainer.devices=1"
        )


def pick(key: object, values: Mapping[object, object]) -> object:
    """The value that belongs to a key: `${pick:${optimizer.lr},{1.0:12,0.001:50}}`. Raises InputError if none does."""
    if key not in values:
        known = ", ".join(map(str, values))
        raise InputError(
            f"{key} is none of {known}, for which this study has a value; set what follows from it yourself"
        )
    return values[key]


def flatten(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dictionary: {"optimizer": {"lr": 1}} is {"optimizer.lr": 1}."""
    if not isinstance(settings, Mapping):
        return {prefix: settings}
    leaves = {}
    for key, value in settings.items():
        leaves.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return leaves


OmegaConf.register_new_resolver("pick", pick)  # for studies in which one setting follows another


def _check(config: DictConfig, expected: "Expected") -> None:
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise InputError(f"{missing[0]} is needed and not given; add {missing[0]}=…")
    for key, (fits, wanted) in expected.items():
        value = OmegaConf.select(config, key)
        if not fits(value):
            raise InputError(f"{key}={value}: must be {wanted}")


def _names(value: Any) -> bool:
    names = list(value) if OmegaConf.is_list(value) else [value]
    return len(names) > 0 and all(isinstance(name, str) and name != "" for name in names)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
Expected: TypeAlias = dict[str, tuple[Callable[[Any], bool], str]]
SEED = (lambda value: _whole(value) and 0 <= value < 2**32, "a whole number from 0 to 4294967295")
PRECISION = (lambda value: value in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
AT_LEAST_ONE = (lambda value: _whole(value) and 1 <= value < 2**31, "a whole number, at least 1")
PATH = (lambda value: value is None or (isinstance(value, str) and value != ""), "a path")
EXPECTED: Expected = {
    "seed": SEED,
    "label_smoothing": (lambda value: _number(value) and 0 <= value < 1, "a number from 0 to below 1"),
    "ema": (
        lambda value: value is None or (_number(value) and 0 < value < 1),
        "null, or a decay between 0 and 1",
    ),
    "weights": (lambda value: value in ("last", "best"), "last or best"),
    "optimizer.lr": (lambda value: value is None or (_number(value) and 0 < value < inf), "a number above 0"),
    "data.batch_size": AT_LEAST_ONE,
    "data.val_size": (lambda value: _number(value) and 0 <= value < inf, "a count (500) or a fraction (0.1)"),
    "data.split_seed": (_whole, "a whole number"),
    "data.folds": (lambda value: value is None or _whole(value), "null, or a whole number"),
    "data.fold": (_whole, "a whole number"),
    **dict.fromkeys(("resume", "data.root", "data.train_csv", "data.test_csv"), PATH),
    "trainer.precision": PRECISION,
    "trainer.max_epochs": AT_LEAST_ONE,
}
EXPECTED_TO_PREDICT: Expected = {
    "checkpoint": (_names, "a path, or a list of paths"),
    "input": (lambda value: value is None or _names(value), "a path, or a list of paths"),
    "output": (lambda value: isinstance(value, str) and value != "", "a path, or - for standard output"),
    "preview": (lambda value: value is None or str(value).lower().endswith(".png"), "a path that ends in .png"),
    "export": (lambda value: value is None or str(value).endswith(".onnx"), "a path that ends in .onnx"),
    "seed": SEED,
    "tta": (lambda value: _whole(value) and 1 <= value <= 1000, "a whole number from 1 to 1000"),
    "trainer.devices": (
        lambda value: (
            value == "auto" or (_whole(value) and value >= 1) or (OmegaConf.is_list(value) and len(value) > 0)
        ),
        "how many, at least 1, a list of their numbers, or auto",
    ),
    **dict.fromkeys(("batch_size", "chunk_size", "trainer.num_nodes"), AT_LEAST_ONE),
    **dict.fromkeys(("confidence", "probabilities"), (lambda value: isinstance(value, bool), "true or false")),
    "trainer.precision": PRECISION,
}

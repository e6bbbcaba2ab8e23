"""Validation of a resolved configuration, as nested plain values: one clear line for each error."""

import json
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, TypeAlias

from digits.errors import InputError

Rules: TypeAlias = dict[str, tuple[Callable[[Any], bool], str]]  # setting: (is it valid?, what is expected)

CONFIG_GROUPS = ("data", "model", "optimizer", "schedule", "augment", "trainer", "logger", "experiment")
LIST_SETTINGS = ("checkpoint", "input", "teacher")
"""Settings that are a path or a list of paths."""
NAME_SETTINGS = ("name", "study")
"""Settings that are always text, even `null`."""
LOGGER_TEXTS = (
    "name", "project", "experiment_name", "run_name", "run_id", "id", "version", "entity", "group", "job_type", "notes",
    "prefix", "sub_dir", "save_dir", "dir", "tracking_uri", "artifact_location",
)  # fmt: skip
LAUNCHER_TEXTS = (
    "submitit_folder", "name", "partition", "account", "qos", "constraint", "comment", "nodelist", "exclude",
)  # fmt: skip
TEXT_SETTINGS = {
    *LIST_SETTINGS, *NAME_SETTINGS, *CONFIG_GROUPS, "hydra/launcher", "hydra/sweeper",
    "output", "preview", "export", "export_dtype", "page",
    "resume", "weights", "find", "explain", "data.root", "data.train_csv", "data.test_csv", "model.name",
    "trainer.accelerator", "trainer.precision", "trainer.strategy", "trainer.default_root_dir",
    "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.name",
    *(f"logger.{name}" for name in LOGGER_TEXTS), *(f"hydra.launcher.{name}" for name in LAUNCHER_TEXTS),
}  # fmt: skip
"""Settings whose value is text. It is kept as it is typed: Hydra would read 2026_11_30, 1e3, true and null as a number,
a truth value and nothing."""

RENAMED_TARGETS = {  # configurations of older runs name the modules of their time
    **dict.fromkeys(
        ("digits.augmentation.RandomAffine", "digits.data.augmentation.RandomAffine"),
        "digits.data.augmentation.RandomTransform",
    ),
    "digits.datamodule.DigitsDataModule": "digits.data.datamodule.DigitsDataModule",
    **{f"digits.sources.{name}": f"digits.data.sources.{name}" for name in ("sample", "mnist", "csv")},
    **{
        f"digits.schedules.{name}": f"digits.training.schedules.{name}"
        for name in ("onecycle", "cosine", "exponential", "plateau")
    },
}


def validate_train(config: Mapping[str, Any]) -> None:
    """Raises InputError that names the first setting of a training that is missing or invalid."""
    _validate(config, TRAIN_RULES)
    if config["teacher"] is None and (config["teacher_temperature"], config["teacher_weight"]) != (1.0, 1.0):
        raise InputError("teacher_temperature and teacher_weight need teacher=…")
    if config["non_digits"] and not config["precise_bn"]:
        raise InputError("non_digits needs precise_bn=true: batch normalization has measured images without a digit")
    if config["weights"] == "best" and not has_validation(config):
        raise InputError("weights=best needs a validation error, but data.val_size=0 leaves no validation digits")
    every = config["trainer"].get("check_val_every_n_epoch")
    if config["weights"] == "best" and _is_int(every) and every > config["trainer"]["max_epochs"]:
        raise InputError(
            f"weights=best needs a validation, but trainer.check_val_every_n_epoch={every} validates no epoch"
        )
    if config["trainer"].get("fast_dev_run"):
        raise InputError(
            f"trainer.fast_dev_run={str(config['trainer']['fast_dev_run']).lower()}: writes no checkpoint, which a run "
            "needs; debug=true trains and evaluates one batch of everything"
        )
    if config["debug"] and config["find"]:
        raise InputError("debug=true and find=lr exclude each other; use only one")
    if (config["debug"] or config["find"]) and config["resume"] is not None:
        raise InputError(f"{'find=lr' if config['find'] else 'debug=true'} starts with new weights; omit resume=…")


def has_validation(config: Mapping[str, Any]) -> bool:
    """Whether some training digits are held out for validation."""
    return config["data"]["val_size"] > 0 or config["data"]["folds"] is not None


def validate_predict(config: Mapping[str, Any]) -> None:
    """Raises InputError that names the first setting of a prediction that is missing or invalid."""
    _validate(config, PREDICT_RULES)
    if unused := sorted(config["trainer"].keys() - PREDICT_TRAINER_KEYS):
        raise InputError(f"trainer.{unused[0]}: predict.py has no such setting; see --help")
    if all(config[key] is None for key in ("input", "export", "page")):
        raise InputError("nothing to do: give digits, input=…, a model to export, export=…, or a page to write, page=…")


def validate_sweep_job(config: Mapping[str, Any]) -> None:
    """Raises InputError if a run with this configuration cannot be a job of a sweep."""
    trainer = config.get("trainer") or {}
    devices = trainer.get("devices")
    count = len(devices) if isinstance(devices, list) else devices
    if (isinstance(count, int) and count > 1) or trainer.get("num_nodes", 1) != 1:
        raise InputError(
            "trainer=ddp (several devices for one run) cannot be part of a sweep (-m); run it alone, "
            "or give each job one device: trainer.devices=1"
        )


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key: {"optimizer": {"lr": 1}} is {"optimizer.lr": 1}. Old names of this project's
    classes and functions are replaced by their present names."""
    if not isinstance(config, Mapping):
        return {prefix: _rename_targets(config)}
    leaves = {}
    for key, value in config.items():
        leaves.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return leaves


def _rename_targets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rename_targets(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rename_targets(part) for part in value]
    return RENAMED_TARGETS.get(value, value) if isinstance(value, str) else value


def lookup(key: object, values: Mapping[object, object]) -> object:
    """The resolver `${pick:KEY,{KEY1:VALUE1,…}}` of studies in which one setting depends on another.

    Raises InputError if the key has no value."""
    if key not in values:
        known = ", ".join(map(str, values))
        raise InputError(
            f"{key} is not one of {known}, for which this study has a value; set the dependent setting too"
        )
    return values[key]


def _validate(config: Mapping[str, Any], rules: Rules) -> None:
    settings = flatten(config)
    if missing := sorted(key for key, value in settings.items() if value == "???"):
        raise InputError(f"{missing[0]} is required; add {missing[0]}=…")
    for key, (is_valid, expected) in rules.items():
        value = _select(config, key)
        if not is_valid(value):
            shown = json.dumps(value) if value is None or isinstance(value, bool) else str(value)[:100]
            raise InputError(f"{key}={shown}: must be {expected}")


def _select(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


def _is_paths(value: Any) -> bool:
    paths = value if isinstance(value, list) else [value]
    return len(paths) > 0 and all(isinstance(path, str) and path != "" for path in paths)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
SEED = (lambda value: _is_int(value) and 0 <= value < 2**32, "an integer from 0 to 4294967295")
PRECISION = (lambda value: value in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
POSITIVE_INT = (lambda value: _is_int(value) and 1 <= value < 2**31, "an integer from 1 to 2147483647")
QUOTED = "in a file of settings, a name such as 2024 or true needs quotes"
PATH = (lambda value: value is None or (isinstance(value, str) and value != ""), f"a path; {QUOTED}")
TRAIN_RULES: Rules = {
    "seed": SEED,
    "label_smoothing": (lambda value: _is_number(value) and 0 <= value < 1, "a number from 0 to below 1"),
    "ema": (
        lambda value: value is None or (_is_number(value) and 0 < value < 1),
        "null, or a decay between 0 and 1",
    ),
    "weights": (lambda value: value in ("last", "best"), "last or best"),
    "explain": (lambda value: value is None, "given on the command line, as explain=optimizer.lr"),
    "find": (lambda value: value in (None, "lr"), "null or lr"),
    **dict.fromkeys(("precise_bn", "test", "debug"), (lambda value: isinstance(value, bool), "true or false")),
    "teacher": (lambda value: value is None or _is_paths(value), f"null, a path, or a list of paths; {QUOTED}"),
    "teacher_temperature": (lambda value: _is_number(value) and 0 < value < inf, "a number above 0"),
    "teacher_weight": (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
    "non_digits": (lambda value: _is_number(value) and 0 <= value <= 0.5, "a number from 0 to 0.5"),
    "optimizer.lr": (lambda value: value is None or (_is_number(value) and 0 < value < inf), "a number above 0"),
    "data.batch_size": POSITIVE_INT,
    "data.val_size": (lambda value: _is_number(value) and 0 <= value < inf, "a count (500) or a fraction (0.1)"),
    "data.split_seed": (_is_int, "an integer"),
    "data.folds": (lambda value: value is None or _is_int(value), "null, or an integer"),
    "data.fold": (_is_int, "an integer"),
    **dict.fromkeys(("resume", "data.root", "data.train_csv", "data.test_csv"), PATH),
    "trainer.precision": PRECISION,
    "trainer.max_epochs": POSITIVE_INT,
}
PREDICT_TRAINER_KEYS = {"_target_", "accelerator", "devices", "num_nodes", "precision", "strategy"}
PREDICT_RULES: Rules = {
    "checkpoint": (_is_paths, f"a path, or a list of paths; {QUOTED}"),
    "input": (lambda value: value is None or _is_paths(value), f"a path, or a list of paths; {QUOTED}"),
    "several": (lambda value: isinstance(value, bool), "true or false"),
    "output": (lambda value: isinstance(value, str) and value != "", f"a path, or - for standard output; {QUOTED}"),
    "preview": (lambda value: value is None or str(value).lower().endswith(".png"), "a path that ends in .png"),
    "export": (lambda value: value is None or str(value).endswith(".onnx"), "a path that ends in .onnx"),
    "page": (lambda value: value is None or str(value).lower().endswith(".html"), "a path that ends in .html"),
    "seed": SEED,
    "tta": (lambda value: _is_int(value) and 1 <= value <= 1000, "an integer from 1 to 1000"),
    "trainer.devices": (
        lambda value: value == "auto" or (_is_int(value) and value >= 1) or (isinstance(value, list) and value != []),
        "a count, at least 1, a list of device numbers, or auto",
    ),
    **dict.fromkeys(("batch_size", "chunk_size", "trainer.num_nodes"), POSITIVE_INT),
    "trainer.precision": PRECISION,
}

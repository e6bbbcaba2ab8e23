"""Names and settings of older versions: their checkpoints and metrics.json load as before."""

from collections.abc import Mapping
from typing import Any

RENAMED_TARGETS = {
    "digits.augmentation.RandomAffine": "digits.data.augmentation.RandomTransform",
    "digits.data.augmentation.RandomAffine": "digits.data.augmentation.RandomTransform",
    "digits.datamodule.DigitsDataModule": "digits.data.datamodule.DigitsDataModule",
    "digits.sources.sample": "digits.data.sources.sample",
    "digits.sources.mnist": "digits.data.sources.mnist",
    "digits.sources.csv": "digits.data.sources.csv",
    "digits.schedules.onecycle": "digits.training.schedules.onecycle",
    "digits.schedules.cosine": "digits.training.schedules.cosine",
    "digits.schedules.exponential": "digits.training.schedules.exponential",
    "digits.schedules.plateau": "digits.training.schedules.plateau",
}
"""Classes and functions in configurations of older runs, with their present names."""
ADDED_SETTINGS: dict[str, Any] = {
    "precise_bn": False,
    "teacher": None,
    "teacher_temperature": 1.0,
    "teacher_weight": 1.0,
    "test": True,
    "init": None,
    "freeze": None,
    "non_digits": 0.0,
    "debug": False,
    "find": None,
    "explain": None,
}
"""Settings that older runs do not have, with the values that they amount to."""
ADDED_TRANSFORM_SETTINGS: dict[str, Any] = {
    "augment.elastic": 0.0,
    "augment.elastic_sigma": 6.0,
    "augment.erasing": 0.0,
    "augment.erasing_size": [8, 16],
}
"""Settings that older runs with the augmentation `RandomTransform` do not have."""
RENAMED_STATES = {
    "ModelCheckpoint{'monitor': None, 'mode': 'min', 'every_n_train_steps': 0, 'every_n_epochs': 1, "
    "'train_time_interval': None}": "RunCheckpoint last",
    "ModelCheckpoint{'monitor': 'val/error', 'mode': 'min', 'every_n_train_steps': 0, 'every_n_epochs': 1, "
    "'train_time_interval': None}": "RunCheckpoint best",
}
"""Callbacks in checkpoints of older runs, with their present names."""


def rename_targets(value: Any) -> Any:
    """A part of a configuration with the present names of this project's classes and functions."""
    if isinstance(value, Mapping):
        return {key: rename_targets(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rename_targets(part) for part in value]
    if isinstance(value, str):
        return RENAMED_TARGETS.get(value, value)
    return value


def add_missing_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted key, with those that were added after the run."""
    complete = dict(ADDED_SETTINGS)
    if settings.get("augment._target_") == "digits.data.augmentation.RandomTransform":
        complete.update(ADDED_TRANSFORM_SETTINGS)
    source = settings.get("data.source._target_")
    if source == "digits.data.sources.csv":
        complete["data.transform"] = None
    if source in ("digits.data.sources.csv", "digits.data.sources.file"):
        complete["data.rehearsal"] = 0.0
    complete.update(settings)
    return complete


def rename_states(checkpoint: Mapping[str, Any]) -> None:
    """Gives the states of a run's own checkpoint callbacks their present names in a checkpoint of an older version.

    In a checkpoint of the present version, an old name belongs to a callback of `trainer.callbacks`."""
    states = checkpoint.get("callbacks")
    if not isinstance(states, dict):
        return
    for name in RENAMED_STATES.values():
        if name in states:
            return
    for old_name, name in RENAMED_STATES.items():
        if old_name in states:
            states[name] = states.pop(old_name)

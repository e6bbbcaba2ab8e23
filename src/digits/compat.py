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
"""The same for runs with the augmentation `RandomTransform`."""


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
    complete.update(settings)
    return complete

"""The settings whose value on the command line is text."""

from dataclasses import fields
from typing import get_args

from digits.settings import DataSettings, PredictSettings, TrainerSettings, TrainSettings

LOGGER_TEXTS = (
    "name", "project", "experiment_name", "run_name", "run_id", "id", "version", "entity", "group", "job_type", "notes",
    "prefix", "sub_dir", "save_dir", "dir", "tracking_uri", "artifact_location",
)  # fmt: skip
LAUNCHER_TEXTS = (
    "submitit_folder", "name", "partition", "account", "qos", "constraint", "comment", "nodelist", "exclude",
)  # fmt: skip
CONFIG_GROUPS = (
    "data", "model", "optimizer", "schedule", "augment", "trainer", "logger", "experiment",
    "hydra/launcher", "hydra/sweeper",
)  # fmt: skip
LIST_SETTINGS = ("checkpoint", "input", "teacher")
"""Settings that are a path or a list of paths."""
NAME_SETTINGS = ("name", "study")
"""Settings that are always text, even `null`."""


def _text_fields(cls: type, prefix: str = "") -> set[str]:
    """The settings of a class that are text, or a list of texts."""
    texts = set()
    for setting in fields(cls):
        alternatives = [setting.type, *get_args(setting.type)]
        if str in alternatives:
            texts.add(prefix + setting.name)
    return texts


TEXT_SETTINGS = {
    *_text_fields(TrainSettings), *_text_fields(DataSettings, "data."), *_text_fields(TrainerSettings, "trainer."),
    *_text_fields(PredictSettings),
    "model.name", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.name",
    *CONFIG_GROUPS,
    *(f"logger.{name}" for name in LOGGER_TEXTS),
    *(f"hydra.launcher.{name}" for name in LAUNCHER_TEXTS),
}  # fmt: skip
"""Settings whose value is text. It is kept as it is typed: Hydra would read 2026_11_30, 1e3, true and null as a number,
a truth value and nothing."""

"""What a checkpoint holds besides Lightning's part, and how it is read back safely."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from digits.errors import InputError

FORMAT = 1


class ConfigInCheckpoint(Callback):
    """Stores the resolved configuration, plain Python values only, so that the file loads with
    `weights_only=True` and its path alone is enough to predict.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["digits"] = {"format": FORMAT, "config": self.config}


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The checkpoint on the CPU; nothing in the file is executed.

    Raises InputError if it is missing, damaged, not from this project or of a format that is not known.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such checkpoint; a run leaves it in outputs/…/checkpoints/last.ckpt")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, UnpicklingError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: damaged, or not a checkpoint ({reason})") from None
    if not isinstance(checkpoint, dict) or "digits" not in checkpoint or "state_dict" not in checkpoint:
        raise InputError(f"{path}: not a checkpoint of this project")
    if checkpoint["digits"]["format"] != FORMAT:
        raise InputError(
            f"{path}: format {checkpoint['digits']['format']}, but this version of digits reads format {FORMAT}"
        )
    return checkpoint


def check_resumable(path: str | Path, config: dict[str, Any]) -> list[str]:
    """The settings, as `key: old -> new`, in which `config` departs from the run that left the checkpoint.

    Raises InputError if it cannot be continued with them: another network or another optimizer.
    """
    saved = read_checkpoint(path)["digits"]["config"]
    for ingredient, key in (("model", "name"), ("optimizer", "_target_")):
        old, new = saved[ingredient][key], config[ingredient][key]
        if old != new:
            raise InputError(
                f"{path} belongs to {ingredient} {old}, not {new}; resume it with the settings it began with"
            )
    old_settings, new_settings = _flat(saved), _flat(config)
    return [
        f"{key}: {old_settings.get(key)} -> {new_settings.get(key)}"
        for key in sorted(old_settings.keys() | new_settings.keys())
        if old_settings.get(key) != new_settings.get(key) and key not in ("resume", "name")
    ]


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(config, dict):
        return {prefix: config}
    flat = {}
    for key, value in config.items():
        flat.update(_flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat

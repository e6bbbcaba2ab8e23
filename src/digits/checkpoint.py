"""What a checkpoint holds besides Lightning's part, and how it is read back safely."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from digits.errors import InputError

FORMAT = 1
# What may change when a run is resumed: where things are and how they are watched, not what is trained.
FREE = ("trainer.accelerator", "trainer.callbacks", "logger", "weights", "data.root", "data.download", "data.train_csv")


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
    except Exception as error:  # bytes that are no checkpoint can make the unpickler stumble over anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: damaged, or not a checkpoint ({reason})") from None
    if not isinstance(checkpoint, dict) or "digits" not in checkpoint or "state_dict" not in checkpoint:
        raise InputError(f"{path}: not a checkpoint of this project")
    version = checkpoint["digits"].get("format")
    if version != FORMAT:
        raise InputError(f"{path}: format {version}, but this version of digits reads format {FORMAT}")
    return checkpoint


def check_resumable(path: str | Path, config: dict[str, Any]) -> list[str]:
    """The settings, as `key was old, now new`, in which `config` departs without harm from the run that left the
    checkpoint.

    Raises InputError if it departs in a setting that the weights, the optimizer's state or the schedule depend on."""
    checkpoint = read_checkpoint(path)
    old, new = _flat(checkpoint["digits"]["config"]), _flat(config)
    changes = {
        key: f"{key} was {old.get(key)}, now {new.get(key)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key not in ("name", "resume")
    }
    free = [key for key in changes if key.startswith(FREE)]
    # A schedule is laid out for a number of epochs; without one, there may be more.
    if config["schedule"] is None and new["trainer.max_epochs"] > checkpoint["epoch"] + 1:
        free += [key for key in changes if key == "trainer.max_epochs"]
    if bound := [change for key, change in changes.items() if key not in free]:
        raise InputError(f"{path} began with other settings: {'; '.join(bound)}. Resume with those it began with")
    return [changes[key] for key in free]


def check_best_is_known(path: str | Path, folder: Path) -> None:
    """Raises InputError unless `folder` is where the run that left the checkpoint keeps its best epoch: Lightning
    forgets it elsewhere, and would call the first resumed epoch the best."""
    for state in read_checkpoint(path)["callbacks"].values():
        if state.get("monitor") == "val/error" and Path(state["dirpath"]).resolve() == folder.resolve():
            return
    raise InputError(
        f"weights=best looks among all epochs: only a run that began with it can be resumed with it, and only in the "
        f"folder where it began, unlike {path}"
    )


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(config, dict):
        return {prefix: config}
    flat = {}
    for key, value in config.items():
        flat.update(_flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat

"""A run that goes on where it was interrupted: what its checkpoint must hold for that, and what must not change."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from digits.config import flatten
from digits.errors import InputError
from digits.files import atomic_write
from digits.runs.checkpoint import FORMAT, read_checkpoint
from digits.runs.fingerprint import RESULT_NEUTRAL_KEYS

log = logging.getLogger(__name__)

# What may change when a run is resumed: what does not decide the result, and which weights are to be its result.
CHANGEABLE_ON_RESUME = (*RESULT_NEUTRAL_KEYS, "trainer.callbacks", "data.train_csv", "weights")


class SaveConfig(Callback):
    """Stores the resolved configuration, plain Python values only, so that the file loads with
    `weights_only=True` and its path alone is enough to predict.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["digits"] = {"format": FORMAT, "config": self.config}


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, wherever it lies; Lightning's own way is a copy from another file system
    if the system's folder for temporary files is on one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            torch.save(checkpoint, part)


def prepare_resume(config: DictConfig, settings: dict[str, Any], folder: Path) -> None:
    """Brings the checkpoint `config.resume` into the run's folder. `settings` is `config`, resolved.

    Raises InputError if the run that left it cannot go on with these settings.
    """
    for change in _check_resumable(config.resume, settings):
        log.warning(f"resumed with another setting: {change}")
    if config.weights == "best":
        _check_best_is_known(config.resume, folder / "checkpoints")
    _bring_along(Path(config.resume), folder / "checkpoints" / "last.ckpt")


@rank_zero_only
def _bring_along(checkpoint: Path, last: Path) -> None:
    """A run that is resumed in another folder has its last complete epoch there from the start."""
    if checkpoint.resolve() != last.resolve():
        last.parent.mkdir(exist_ok=True)
        shutil.copyfile(checkpoint, last)


@rank_zero_only
def log_resume_hint(metrics: dict[str, Any], folder: Path) -> None:
    """Logs how the run in `folder` goes on."""
    if "checkpoint" in metrics:
        last = f"{os.path.relpath(folder)}/checkpoints/last.ckpt"
        log.info(f"interrupted after {metrics['epochs']} whole epochs; to go on, the same command with resume={last}")
    else:
        log.info("interrupted before the first epoch was complete: there is nothing to resume")


def _check_resumable(path: str | Path, config: dict[str, Any]) -> list[str]:
    """The settings, as `key was old, now new`, in which `config` departs without harm from the run that left the
    checkpoint.

    Raises InputError if it departs in a setting that the weights, the optimizer's state or the schedule depend on."""
    checkpoint = read_checkpoint(path)
    old, new = flatten(checkpoint["digits"]["config"]), flatten(config)
    changes = {
        key: f"{key} was {old.get(key)}, now {new.get(key)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key not in ("name", "study", "resume")
    }
    free = [key for key in changes if key.startswith(CHANGEABLE_ON_RESUME)]
    # A schedule is laid out for a number of epochs; without one, there may be more.
    if config["schedule"] is None and new["trainer.max_epochs"] > checkpoint["epoch"] + 1:
        free += [key for key in changes if key == "trainer.max_epochs"]
    if bound := [change for key, change in changes.items() if key not in free]:
        raise InputError(f"{path} began with other settings: {'; '.join(bound)}. Resume with those it began with")
    return [changes[key] for key in free]


def _check_best_is_known(path: str | Path, folder: Path) -> None:
    """Raises InputError unless `folder` is where the run that left the checkpoint keeps its best epoch: Lightning
    forgets it elsewhere, and would call the first resumed epoch the best."""
    for state in read_checkpoint(path)["callbacks"].values():
        if state.get("monitor") == "val/error" and Path(state["dirpath"]).resolve() == folder.resolve():
            return
    raise InputError(
        f"weights=best looks among all epochs: only a run that began with it can be resumed with it, and only in the "
        f"folder where it began, unlike {path}"
    )

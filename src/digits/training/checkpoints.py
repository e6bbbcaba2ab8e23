"""The checkpoints that a training writes: last.ckpt after each epoch, and best.ckpt with weights=best."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from digits.errors import InputError
from digits.runs.checkpoint import checkpoint_metadata
from digits.runs.folder import RunFolder


class SaveConfig(Callback):
    """Stores the resolved configuration in each checkpoint."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["digits"] = checkpoint_metadata(self.config)


class RunCheckpoint(ModelCheckpoint):
    """Writes last.ckpt or best.ckpt of a run after each epoch. Its state has a name of its own in a checkpoint, because
    Lightning refuses two callbacks with the same name: a ModelCheckpoint of `trainer.callbacks` has Lightning's."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(
            folder,
            filename=name,
            monitor="val/error" if name == "best" else None,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    @property
    def state_key(self) -> str:
        return f"RunCheckpoint {self.filename}"


def place_checkpoints(callbacks: Sequence[Callback], run: RunFolder) -> list[Path]:
    """Sets the folder of the ModelCheckpoint callbacks without a `dirpath` to that of the run. Returns the folders of
    all of them.

    Raises InputError for the name of a checkpoint that the run writes itself."""
    own_folder = os.path.realpath(run.checkpoints)
    folders = []
    for callback in callbacks:
        if not isinstance(callback, ModelCheckpoint):
            continue
        callback.dirpath = callback.dirpath or own_folder
        if os.path.realpath(callback.dirpath) == own_folder:
            if callback.filename in ("last", "best"):
                raise InputError(
                    f"trainer.callbacks: ModelCheckpoint cannot write {callback.filename}.ckpt, which the run writes; "
                    "choose another filename"
                )
            callback.CHECKPOINT_NAME_LAST = "last_of_callback"
        folders.append(Path(callback.dirpath))
    return folders

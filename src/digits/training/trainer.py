"""Lightning's Trainer as the configuration describes it, with the callbacks of every run."""

import logging
import os
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar, WeightAveraging
from lightning.pytorch.loggers import Logger
from rich import get_console
from torch import Tensor

from digits.devices import default_precision
from digits.errors import InputError
from digits.instantiation import BuildError, build
from digits.private_apis import (
    IRRELEVANT_WARNINGS,
    average_model,
    read_only_given_checkpoints,
    scale_and_add,
    write_no_slurm_checkpoints,
)
from digits.processes import slurm_hint
from digits.runs.folder import RunFolder
from digits.training.callbacks import AtomicCheckpointIO, ReseedEachEpoch, RunCheckpoint, SaveConfig, StopAtEpochEnd


def build_trainer(
    config: Mapping[str, Any],
    precision: str,
    run: RunFolder,
    epoch_callbacks: Sequence[Callback],
    checkpoint_io: AtomicCheckpointIO,
    loggers: Sequence[Logger],
    in_sweep: bool,
) -> Trainer:
    """Raises InputError for settings that Lightning refuses, and for several processes in a sweep, which would hang."""
    callbacks: list[Callback] = [ReseedEachEpoch(config["seed"]), SaveConfig(config)]
    if config["ema"]:
        callbacks.append(EmaWeights(config["ema"]))
    callbacks += epoch_callbacks  # before the checkpoints, which contain the rows of the history
    callbacks += [RunCheckpoint(run.checkpoints, name) for name in sorted({"last", config["weights"]})]
    callbacks.append(StopAtEpochEnd())
    on_terminal = get_console().is_terminal
    if on_terminal:
        callbacks.append(ProgressBar(refresh_rate=10))
    added = build(config["trainer"]["callbacks"], "trainer.callbacks")
    if not isinstance(added, list):
        raise InputError("trainer.callbacks: must be a list, such as [{_target_: …}]")
    checkpoint_io.added_folders = _place_checkpoints(added, run)
    trainer = build_separate_trainer(
        config["trainer"],
        run,
        precision=precision,
        callbacks=[*added, *callbacks],
        logger=list(loggers),
        plugins=[checkpoint_io],
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # EvenBatchSampler and DigitsModule share each batch
    )
    if trainer.world_size > 1 and in_sweep:
        raise InputError("trainer=ddp cannot be part of a sweep (-m); run it alone, or give each job one device")
    if trainer.world_size > 1 and config["data"]["batch_size"] < 2 * trainer.world_size:  # a share could be empty
        raise InputError(f"{trainer.world_size} processes need data.batch_size={2 * trainer.world_size} or more")
    return trainer


def build_separate_trainer(config: Mapping[str, Any], run: RunFolder, **arguments: Any) -> Trainer:
    """A trainer that reads and writes no checkpoint of another run. What Lightning and its callbacks write without
    a path is in the folder of the run.

    Raises InputError for settings that Lightning refuses."""
    with _trainer_errors():
        trainer: Trainer = build(config, "trainer", **{"default_root_dir": str(run.path), **arguments})
    read_only_given_checkpoints(trainer)
    write_no_slurm_checkpoints(trainer)
    return trainer


@contextmanager
def _trainer_errors() -> Iterator[None]:
    """Raises InputError for settings that Lightning refuses."""
    try:
        yield
    except BuildError as error:
        hint = slurm_hint()
        if hint and isinstance(error.__cause__, MisconfigurationException | ValueError | TypeError | RuntimeError):
            reason = " ".join(str(error.__cause__).split()).rstrip(".")
            raise InputError(f"trainer: {reason}{hint}") from error
        if isinstance(error.__cause__, MisconfigurationException | ValueError | TypeError):
            reason = " ".join(str(error.__cause__).split())
            raise InputError(f"trainer: {reason} (trainer=auto uses the available hardware)") from error
        raise


def is_refused_by_lightning(error: Exception) -> bool:
    """Whether Lightning refuses settings of the trainer or its callbacks in a fit: an EarlyStopping of a metric that
    does not exist, a `val_check_interval` above the number of batches."""
    if isinstance(error, MisconfigurationException):
        return True
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    module = str(frame.f_globals.get("__name__"))
    if type(error) is RuntimeError:
        return module.startswith("lightning.pytorch.callbacks.")
    return type(error) in (ValueError, TypeError) and module.startswith("lightning.pytorch.")


def resolved_precision(config: Mapping[str, Any]) -> str:
    """The precision to compute in; `auto` is the fastest one of the hardware."""
    precision: str = config["trainer"]["precision"]
    return default_precision(config["trainer"]["accelerator"]) if precision == "auto" else precision


class EmaWeights(WeightAveraging):
    """Averages the weights after each step, on their device. Lightning's own update reads a counter from the device in
    each step, and so waits until a GPU has finished the step."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.latest_update_step = 0

    def state_dict(self) -> dict[str, Any]:
        return {"latest_update_step": self.latest_update_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.latest_update_step = state_dict["latest_update_step"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step <= self.latest_update_step:  # gradients are accumulated
            return
        model = average_model(self)
        average, current = (
            [tensor.detach() for tensor in chain(module.parameters(), module.buffers())]
            for module in (model.module, pl_module)
        )
        ema_update(self.decay, average, current, trainer.global_step - 1)
        model.n_averaged += 1
        self.latest_update_step = trainer.global_step


def ema_update(decay: float, average: Sequence[Tensor], current: Sequence[Tensor], count: int) -> None:
    """Updates the exponential moving averages in place, after `count` earlier updates. The decay grows from 0.1 to
    `decay` with the number of updates, so that the initial weights do not dominate a short training."""
    keep = min(decay, (1 + count) / (10 + count)) if count else 0.0
    weights = [(old, new) for old, new in zip(average, current, strict=True) if old.is_floating_point()]
    averages = [old for old, _ in weights]
    scale_and_add(averages, keep, [new for _, new in weights], 1 - keep)
    for old, new in zip(average, current, strict=True):
        if not old.is_floating_point():  # batch normalization counts its batches
            old.copy_(new)


class ProgressBar(RichProgressBar):
    """Counts epochs from 1, as the log does. A closed terminal ends the bar silently."""

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        with suppress(OSError):
            super().on_exception(trainer, pl_module, exception)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_start(trainer, pl_module)
        if self.progress is not None and self.train_progress_bar_id is not None:
            text = f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self.progress.update(self.train_progress_bar_id, description=text)
            self.refresh()


def _place_checkpoints(callbacks: Sequence[Callback], run: RunFolder) -> list[Path]:
    """Lets the ModelCheckpoint callbacks without a `dirpath` write to the run's folder, and returns the folders of all.

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


def silence_lightning() -> None:
    """Filters log lines and warnings that do not apply to this project."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in IRRELEVANT_WARNINGS:
        warnings.filterwarnings("ignore", message)

"""Lightning's Trainer as the configuration describes it, with the callbacks of every run."""

import logging
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar, WeightAveraging
from lightning.pytorch.loggers import Logger
from rich import get_console
from torch import Tensor

from digits.errors import InputError
from digits.runs.folder import RunFolder
from digits.training.callbacks import AtomicCheckpointIO, EpochHistory, ReseedEachEpoch, SaveConfig


def build_trainer(
    config: Mapping[str, Any],
    precision: str,
    run: RunFolder,
    history: EpochHistory,
    checkpoint_io: AtomicCheckpointIO,
    in_sweep: bool,
) -> Trainer:
    """Raises InputError for settings that Lightning refuses, and for several processes in a sweep, which would hang."""
    callbacks: list[Callback] = [ReseedEachEpoch(config["seed"]), SaveConfig(config)]
    if config["ema"]:
        callbacks.append(WeightAveraging(avg_fn=partial(ema_update, config["ema"])))
    callbacks.append(history)  # before the checkpoints, which contain its rows
    callbacks += [_checkpoint_callback(run, name) for name in sorted({"last", config["weights"]})]
    on_terminal = get_console().is_terminal
    if on_terminal:
        callbacks.append(ProgressBar(refresh_rate=10))
    try:
        trainer: Trainer = instantiate(
            config["trainer"],
            _convert_="all",
            precision=precision,
            callbacks=[*instantiate(config["trainer"]["callbacks"]), *callbacks],
            logger=_build_logger(config["logger"], run),
            plugins=[checkpoint_io],
            enable_progress_bar=on_terminal,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # BalancedBatchSampler shares the images among the processes
        )
    except InstantiationException as error:
        if isinstance(error.__cause__, MisconfigurationException | ValueError | TypeError):
            reason = " ".join(str(error.__cause__).split())
            raise InputError(f"trainer: {reason} (trainer=auto uses the available hardware)") from error
        raise
    if trainer.world_size > 1 and in_sweep:
        raise InputError("trainer=ddp cannot be part of a sweep (-m); run it alone, or give each job one device")
    return trainer


def ema_update(decay: float, average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """The exponential moving average after one more update. The decay grows from 0.1 to `decay` with the number of
    updates, so that the initial weights do not dominate a short training."""
    keep = min(decay, (1 + float(count)) / (10 + float(count)))
    return average * keep + current * (1 - keep)


class ProgressBar(RichProgressBar):
    """Counts epochs from 1, as the log does. A closed terminal ends the bar silently."""

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        with suppress(OSError):
            super().on_exception(trainer, pl_module, exception)

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"


def _checkpoint_callback(run: RunFolder, name: str) -> ModelCheckpoint:
    return ModelCheckpoint(
        run.checkpoints,
        filename=name,
        monitor="val/error" if name == "best" else None,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _build_logger(config: Mapping[str, Any] | None, run: RunFolder) -> Logger | bool:
    if config is None:
        return False
    try:
        logger: Logger = instantiate(config, save_dir=str(run.path))
    except InstantiationException as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            reason = " ".join(str(error.__cause__).split())
            raise InputError(f"logger: {reason} (or pip install -e '.[tensorboard,wandb,mlflow]')") from error
        raise
    return logger


def silence_lightning() -> None:
    """Filters log lines and warnings that do not apply to this project."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec",  # inside Lightning
        "Total length of `list` across ranks is zero",  # no validation digits
        ".*does not have many workers",  # batches are gathered on the device
        ".*sync_dist=True",  # scores are already counted over all processes
        ".*smaller than the logging interval",
        ".*exists and is not empty",  # a resumed run
        ".*`srun` command is available",  # on a cluster's login node
        ".*dirpath has changed",  # a run resumed in another folder
    ):
        warnings.filterwarnings("ignore", message)

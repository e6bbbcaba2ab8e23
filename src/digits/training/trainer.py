"""Lightning's Trainer as the settings describe it, with the callbacks of every run."""

import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from rich import get_console

from digits.devices import default_precision
from digits.errors import InputError
from digits.instantiation import BuildError, build
from digits.private_apis.lightning import IRRELEVANT_WARNINGS, disable_slurm_requeue, ignore_unnamed_checkpoints
from digits.processes import slurm_hint
from digits.runs.folder import RunFolder
from digits.settings import TrainerSettings, TrainSettings
from digits.training.callbacks import ReseedEachEpoch, StopAtEpochEnd
from digits.training.checkpoint_io import AtomicCheckpointIO
from digits.training.checkpoints import RunCheckpoint, SaveConfig, place_checkpoints
from digits.training.ema import EmaWeights
from digits.training.progress_bar import ProgressBar
from digits.training.resume import ResumePoint


def build_trainer(
    settings: TrainSettings,
    run: RunFolder,
    epoch_callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
    resume: ResumePoint | None,
) -> Trainer:
    """A trainer for a new run, or for one that continues from `resume`. Raises InputError for settings that Lightning
    refuses."""
    added = _added_callbacks(settings)
    on_terminal = get_console().is_terminal
    callbacks: list[Callback] = [*added, ReseedEachEpoch(settings.seed), SaveConfig(settings.config)]
    if settings.ema is not None:
        callbacks.append(EmaWeights(settings.ema))
    callbacks += epoch_callbacks  # before the checkpoints, which contain the rows of the history
    for name in sorted({"last", settings.weights}):  # best.ckpt first: a killed run is resumed from last.ckpt
        callbacks.append(RunCheckpoint(run.checkpoints, name))
    callbacks.append(StopAtEpochEnd())
    if on_terminal:
        callbacks.append(ProgressBar(refresh_rate=10))
    trainer = build_separate_trainer(
        settings.trainer,
        run,
        precision=resolved_precision(settings.trainer),
        callbacks=callbacks,
        logger=list(loggers),
        plugins=[AtomicCheckpointIO(run.checkpoints, place_checkpoints(added, run), resume)],
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # EvenBatchSampler and DigitsModule share each batch
    )
    smallest_batch = 2 * trainer.world_size  # or a share could be empty
    if trainer.world_size > 1 and settings.data.batch_size < smallest_batch:
        raise InputError(f"{trainer.world_size} processes need data.batch_size={smallest_batch} or more")
    return trainer


def build_separate_trainer(settings: TrainerSettings, run: RunFolder, **arguments: Any) -> Trainer:
    """A trainer that reads and writes no checkpoint of another run. What Lightning and its callbacks write without
    a path is in the folder of the run.

    Raises InputError for settings that Lightning refuses."""
    with _trainer_errors():
        trainer: Trainer = build(settings.component, "trainer", **{"default_root_dir": str(run.path), **arguments})
    ignore_unnamed_checkpoints(trainer)
    disable_slurm_requeue(trainer)
    return trainer


def _added_callbacks(settings: TrainSettings) -> list[Callback]:
    """The callbacks of `trainer.callbacks`."""
    added = build(settings.trainer.callbacks, "trainer.callbacks")
    if not isinstance(added, list):
        raise InputError("trainer.callbacks: must be a list, such as [{_target_: …}]")
    return added


@contextmanager
def _trainer_errors() -> Iterator[None]:
    """Raises InputError for settings that Lightning refuses."""
    try:
        yield
    except BuildError as error:
        cause, hint = error.__cause__, slurm_hint()
        reason = " ".join(str(cause).split())
        if hint and isinstance(cause, MisconfigurationException | ValueError | TypeError | RuntimeError):
            raise InputError(f"trainer: {reason.rstrip('.')}{hint}") from error
        if isinstance(cause, MisconfigurationException | ValueError | TypeError):
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


def resolved_precision(settings: TrainerSettings) -> str:
    """The precision to compute in; `auto` is the fastest one of the hardware."""
    if settings.precision == "auto":
        return default_precision(settings.accelerator)
    return settings.precision


def silence_lightning() -> None:
    """Filters log lines and warnings that do not apply to this project."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in IRRELEVANT_WARNINGS:
        warnings.filterwarnings("ignore", message)

"""Callbacks and plugins of every run: history, reseeding, checkpoints, evaluation."""

import copy
import io
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from digits.devices import synchronize
from digits.evaluation.metrics import EvaluationCollector
from digits.evaluation.score import Score
from digits.files import atomic_write
from digits.runs.checkpoint import checkpoint_metadata, read_checkpoint
from digits.seeding import derive_seed

log = logging.getLogger(__name__)


class EpochHistory(Checkpoint):
    """Collects one row for each epoch in `rows`, history.csv and the log: error rates, losses (nats), the learning rate
    at the start of the epoch, and the seconds of training. A row has validation scores only if the epoch was validated.
    `unfinished` holds the fraction of the batches of each epoch that ended early, for example at `trainer.max_steps`.

    Subclasses Checkpoint because Lightning runs Checkpoint callbacks after the module's `on_train_epoch_end`, which
    computes the training score. List it before ModelCheckpoint, which saves its state: a resumed run has all rows.
    """

    def __init__(self, path: Path, scores: Mapping[str, Score], has_validation: bool) -> None:
        self.path = path
        self.scores = scores
        self.has_validation = has_validation
        self.rows: list[dict[str, float]] = []
        self.unfinished: dict[int, float] = {}
        self.started_at = time.perf_counter()
        self.previous_fit_seconds = 0.0  # before this run was resumed
        self.started = False
        self.ended = False
        self._start_epoch()

    def _start_epoch(self) -> None:
        self.epoch_start = time.perf_counter()
        self.train_end: float | None = None
        self.paused_seconds = 0.0
        self.batches = 0
        self.is_complete = False
        self.is_validated = False

    @property
    def fit_seconds(self) -> float:
        """Seconds of the whole training with its validations, over all parts of a resumed run."""
        return self.previous_fit_seconds + time.perf_counter() - self.started_at

    @property
    def complete_epochs(self) -> int:
        return len(self.rows) - len(self.unfinished)

    def images_per_second(self, images: int) -> float:
        """The training rate with `images` per epoch, without validation."""
        epochs = self.complete_epochs + sum(self.unfinished.values())
        return images * epochs / sum(row["seconds"] for row in self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "unfinished": self.unfinished, "fit_seconds": self.fit_seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if not all(isinstance(value, int | float) for row in state_dict["rows"] for value in row.values()):
            raise TypeError("its history holds other values than numbers")
        self.rows = list(state_dict["rows"])
        unfinished = state_dict.get("unfinished", {})  # older runs have none
        self.unfinished = {int(epoch): float(fraction) for epoch, fraction in unfinished.items()}
        self.previous_fit_seconds = float(state_dict["fit_seconds"])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = True
        self._start_epoch()
        self.lr = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.batches += 1
        self.is_complete = trainer.is_last_batch

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        synchronize(trainer.strategy.root_device)
        self.train_end = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.is_validated = True
        if self.train_end and not trainer.is_last_batch:  # with trainer.val_check_interval
            self.paused_seconds += time.perf_counter() - self.train_end
            self.train_end = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        stages = ["train", "val"] if self.is_validated else ["train"]
        scores = {stage: self.scores[stage] for stage in stages}
        row: dict[str, float] = {"epoch": trainer.current_epoch + 1}
        for stage, score in scores.items():
            row |= {f"{stage}/{name}": value for name, value in {"error": score.error, **score.means}.items()}
        seconds = (self.train_end or time.perf_counter()) - self.epoch_start - self.paused_seconds
        row |= {"lr": self.lr, "seconds": seconds}
        self.rows.append(row)
        part = ""
        if not self.is_complete:
            self.unfinished[trainer.current_epoch + 1] = self.batches / trainer.num_training_batches
            part = f", {self.batches} of {trainer.num_training_batches} batches"
        self.write()
        if trainer.is_global_zero:
            results = [
                " ".join([f"{stage} error {score.error:.2%}", *(f"{k} {v:.4f}" for k, v in score.means.items())])
                for stage, score in scores.items()
            ]
            log.info(f"epoch {row['epoch']}/{trainer.max_epochs}{part}: {', '.join(results)}, {seconds:.1f} s")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ended = True

    @rank_zero_only
    def write(self) -> None:
        """Writes the rows so far to history.csv. A score that an epoch does not have is an empty cell."""
        pd.DataFrame(self.rows, columns=self._columns()).to_csv(self.path, index=False)

    def _columns(self) -> list[str]:
        """The names of the columns, in the same order whichever epochs were validated."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        train = [name for name in names if name.startswith("train/")]
        val = [name for name in names if name.startswith("val/")]
        if self.has_validation and not val:  # none yet
            val = [name.replace("train/", "val/") for name in train]
        return ["epoch", *train, *val, "lr", "seconds"] if names else []


class StopAtEpochEnd(Checkpoint):
    """Postpones a stop within an epoch to its end, as that of `trainer.max_time` or of EarlyStopping with several
    validations per epoch. Each epoch is then complete, and a run can be compared with one of fewer epochs.

    Subclasses Checkpoint because Lightning runs Checkpoint callbacks after the others, which stop the training."""

    def __init__(self) -> None:
        self.is_requested = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._postpone(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._postpone(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.is_requested:
            trainer.should_stop = True
            self.is_requested = False

    def _postpone(self, trainer: Trainer) -> None:
        if trainer.should_stop and trainer.state.fn == TrainerFn.FITTING and not trainer.is_last_batch:
            trainer.should_stop = False
            self.is_requested = True


class ReseedEachEpoch(Callback):
    """Seeds the global generators (dropout, augmentation) for each epoch, equally in all processes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.manual_seed(derive_seed(self.seed, trainer.current_epoch))


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

    @property
    def old_state_key(self) -> str:
        """The name in checkpoints of older versions."""
        return ModelCheckpoint(monitor=self.monitor).state_key


def rename_states(checkpoint: Mapping[str, Any]) -> None:
    """Gives the states of a run's own checkpoints their present names in a checkpoint of an older version."""
    states = checkpoint.get("callbacks")
    own = [RunCheckpoint(Path(), name) for name in ("last", "best")]
    if not isinstance(states, dict) or any(callback.state_key in states for callback in own):
        return
    for callback in own:
        if callback.old_state_key in states:
            states[callback.state_key] = states.pop(callback.old_state_key)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically; Lightning copies them from the system's temporary folder. Reads them as
    `read_checkpoint` does. `folder` holds those of the run, `added_folders` those of callbacks of `trainer.callbacks`.

    Its own checkpoints of the last epoch stay in `pending` until `flush`: they are written once, after the evaluation,
    which adds the temperature. A callback may add epochs: then `pending` is written when the next epoch is saved."""

    def __init__(self, folder: Path, max_epochs: int) -> None:
        super().__init__()
        self.folder = folder
        self.max_epochs = max_epochs
        self.added_folders: list[Path] = []
        self.pending: dict[Path, dict[str, Any]] = {}
        self.written: set[str] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        path = Path(path)
        if not self._is_own(path):
            self._write(checkpoint, path)
        elif checkpoint["epoch"] + 1 == self.max_epochs:
            self.pending[path] = copy.deepcopy(checkpoint)  # the weights may still change: they may be averaged
        else:
            self.pending.pop(path, None)
            self.flush()
            self._write(checkpoint, path)

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        checkpoint = read_checkpoint(path)
        rename_states(checkpoint)
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes a file that this process has written, or a checkpoint in the folders of this run and its callbacks.
        Other paths, which a resumed checkpoint may hold, are ignored."""
        path = Path(path)
        if self._is_removable(path) and (path.is_symlink() or path.is_file()):
            path.unlink()

    def _is_removable(self, path: Path) -> bool:
        parent = Path(os.path.realpath(path.parent))
        if str(parent / path.name) in self.written:
            return True
        folders = [Path(os.path.realpath(folder)) for folder in (self.folder, *self.added_folders)]
        # below a folder: a name such as {val/error} has a folder in it
        return path.suffix == ".ckpt" and any(folder in (parent, *parent.parents) for folder in folders)

    def _is_own(self, path: Path) -> bool:
        """Whether the evaluation can change this checkpoint."""
        return path.name in ("last.ckpt", "best.ckpt") and os.path.realpath(path.parent) == os.path.realpath(
            self.folder
        )

    def flush(self) -> None:
        """Writes the pending checkpoints, best.ckpt first: a killed run is resumed from last.ckpt."""
        for path in sorted(self.pending):
            self._write(self.pending.pop(path), path)

    def _write(self, checkpoint: dict[str, Any], path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(checkpoint, buffer := io.BytesIO())  # to a file it raises RuntimeError when the disk is full
        with atomic_write(path) as temp_path:
            temp_path.write_bytes(buffer.getbuffer())
        self.written.add(str(Path(os.path.realpath(path.parent), path.name)))


class CollectEvaluation(Callback):
    """Collects the images, labels and logits of one validation or test loop in `collected`."""

    collected: tuple[Tensor, Tensor, Tensor]

    def __init__(self) -> None:
        self.collector = EvaluationCollector()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        images, labels = batch
        self.collector.update(images, labels, outputs)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.collected = self.collector.compute()

    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end

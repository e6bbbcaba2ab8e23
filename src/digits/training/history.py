"""The history of a training: history.csv, and one line of the log for each epoch."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from digits.devices import synchronize
from digits.evaluation.score import Score
from digits.processes import is_rank_zero
from digits.training.module import DigitsModule

log = logging.getLogger(__name__)


class EpochHistory(Checkpoint):
    """Collects one row for each epoch in `rows`, history.csv and the log: error rates, losses (nats), the learning rate
    at the start of the epoch, and the seconds of training. A row has validation scores only if the epoch was validated.
    `unfinished` holds the fraction of the batches of each epoch that ended early, for example at `trainer.max_steps`.

    Subclasses Checkpoint because Lightning runs Checkpoint callbacks after the module's `on_train_epoch_end`, which
    computes the training score. List it before ModelCheckpoint, which saves its state: a resumed run has all rows.
    """

    def __init__(self, path: Path, has_validation: bool) -> None:
        self.path = path
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
        for row in state_dict["rows"]:
            for value in row.values():
                if not isinstance(value, int | float):
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
        assert isinstance(pl_module, DigitsModule)
        scores = {"train": pl_module.scores["train"]}
        if self.is_validated:
            scores["val"] = pl_module.scores["val"]
        epoch = trainer.current_epoch + 1
        if not self.is_complete:
            self.unfinished[epoch] = self.batches / trainer.num_training_batches
        train_end = self.train_end or time.perf_counter()
        seconds = train_end - self.epoch_start - self.paused_seconds
        self.rows.append(self._row(epoch, scores, seconds))
        self.write()
        if is_rank_zero():
            part = ""
            if not self.is_complete:
                part = f", {self.batches} of {trainer.num_training_batches} batches"
            log.info(f"epoch {epoch}/{trainer.max_epochs}{part}: {_describe(scores)}, {seconds:.1f} s")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ended = True

    def write(self) -> None:
        """Writes the rows so far to history.csv. A score that an epoch does not have is an empty cell."""
        if is_rank_zero():
            pd.DataFrame(self.rows, columns=self._columns()).to_csv(self.path, index=False)

    def _row(self, epoch: int, scores: Mapping[str, Score], seconds: float) -> dict[str, float]:
        row: dict[str, float] = {"epoch": epoch}
        for stage, score in scores.items():
            row |= score.by_name(stage)
        row["lr"] = self.lr
        row["seconds"] = seconds
        return row

    def _columns(self) -> list[str]:
        """The names of the columns, in the same order whichever epochs were validated."""
        if not self.rows:
            return []
        names: dict[str, float] = {}  # in the order of the rows
        for row in self.rows:
            names |= row
        train = [name for name in names if name.startswith("train/")]
        val = [name for name in names if name.startswith("val/")]
        if self.has_validation and not val:  # none yet
            val = [name.replace("train/", "val/") for name in train]
        return ["epoch", *train, *val, "lr", "seconds"]


def _describe(scores: Mapping[str, Score]) -> str:
    """The scores of an epoch as text: `train error 1.02% loss 0.0315, val error …`."""
    texts = []
    for stage, score in scores.items():
        means = [f"{name} {value:.4f}" for name, value in score.means.items()]
        texts.append(" ".join([f"{stage} error {score.error:.2%}", *means]))
    return ", ".join(texts)

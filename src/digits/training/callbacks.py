"""One row an epoch: in `history.csv`, in the checkpoint and in the terminal."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_only

from digits.devices import synchronize
from digits.evaluation.score import Score
from digits.seeding import derive_seed

log = logging.getLogger(__name__)


class EpochHistory(Checkpoint):
    """Collects error rates, losses (nats), learning rate (at its start) and seconds of training of each epoch in
    `rows`, one dictionary each.

    A `Checkpoint`, because Lightning calls only those after the module has its training score; it must stand
    before the one that saves, which stores the rows, so that a resumed run's history is whole.
    """

    def __init__(self, path: Path, scores: Mapping[str, Score]) -> None:
        self.path = path
        self.scores = scores
        self.rows: list[dict[str, float]] = []
        self.began = time.perf_counter()
        self.earlier_seconds = 0.0  # of fitting, before this run was resumed

    @property
    def fit_seconds(self) -> float:
        """Seconds of the whole training with its validations, all parts of a resumed run together."""
        return self.earlier_seconds + time.perf_counter() - self.began

    def images_per_second(self, images: int) -> float:
        """The rate of training on that many images an epoch, validation not counted."""
        return images * len(self.rows) / sum(row["seconds"] for row in self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "fit_seconds": self.fit_seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])
        self.earlier_seconds = state_dict["fit_seconds"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.perf_counter()
        self.lr = trainer.optimizers[0].param_groups[0]["lr"]
        self.trained: float | None = None

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        synchronize(trainer.strategy.root_device)
        self.trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        stages = [stage for stage in ("train", "val") if stage in self.scores]
        row = {
            "epoch": trainer.current_epoch + 1,
            **{
                f"{stage}/{quantity}": getattr(self.scores[stage], quantity)
                for stage in stages
                for quantity in ("error", "loss")
            },
            "lr": self.lr,
            "seconds": (self.trained or time.perf_counter()) - self.started,
        }
        self.rows.append(row)
        self.write()
        if trainer.is_global_zero:
            log.info(
                f"epoch {row['epoch']}/{trainer.max_epochs}: "
                + ", ".join(
                    f"{stage} error {row[f'{stage}/error']:.2%} loss {row[f'{stage}/loss']:.4f}" for stage in stages
                )
                + f", {row['seconds']:.1f} s"
            )

    @rank_zero_only
    def write(self) -> None:
        """Writes the rows so far to `history.csv`."""
        pd.DataFrame(self.rows).to_csv(self.path, index=False)


class ReseedEachEpoch(Callback):
    """Seeds the global generators (dropout, augmentation) anew for each epoch and process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.manual_seed(derive_seed(self.seed, trainer.current_epoch, trainer.global_rank))

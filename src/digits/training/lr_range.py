"""find=lr: the learning rate range test of L. Smith (arXiv:1506.01186).

Lightning's `Tuner.lr_find` suggests 6e-5 for AdamW and SGD and 2e-4 for Adadelta here. It chooses the steepest slope
against the rate instead of its logarithm. At the lowest rates this slope is noise.
"""

import logging
import math
import os
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd
from lightning.pytorch import Callback, LightningModule, Trainer

from digits.errors import InputError
from digits.evaluation.plots import plot_lr_range
from digits.host import keep_freed_memory
from digits.runs.folder import RunFolder
from digits.runs.job import TrainingJob
from digits.seeding import seed_everything
from digits.settings import TrainSettings
from digits.training.build import build_datamodule, build_module
from digits.training.trainer import build_separate_trainer, resolved_precision, silence_lightning

log = logging.getLogger(__name__)

LOWEST, DECADES, STEPS_PER_DECADE = 1e-5, 7, 50  # to 100: Adadelta's rates are near 1, Adam's near 0.001
RATES = [LOWEST * 10 ** (step / STEPS_PER_DECADE) for step in range(DECADES * STEPS_PER_DECADE + 1)]
SMOOTHING = 0.9  # of the moving average of the loss, over about ten steps


class Point(NamedTuple):
    """One step: its rate, the loss of its batch and the moving average of the losses, in nats."""

    lr: float
    loss: float
    smoothed: float


def find_lr(job: TrainingJob) -> None:
    """Trains new weights with a rate that rises from step to step until the loss diverges. Logs the suggested rate and
    the command that uses it; writes the points to lr.csv and lr.png in the folder. Uses neither the schedule nor `ema`.

    Raises InputError for several devices, an optimizer without a rate, and a loss that never falls."""
    run = RunFolder(job.folder)
    run.require_no_other_run(run.metrics())
    silence_lightning()
    settings = TrainSettings.from_config(job.config)
    keep_freed_memory()
    seed_everything(settings.seed)
    started_at = time.perf_counter()
    points = _range_test(settings, run)
    seconds = time.perf_counter() - started_at
    warms_up = settings.schedule is not None and "warmup" in settings.schedule
    suggested = suggest_lr(points, warms_up)
    pd.DataFrame(points).to_csv(run.path / "lr.csv", index=False)
    plot_lr_range(points, suggested, run.path / "lr.png")
    lines = {
        "tried": f"{len(points)} rates from {RATES[0]:g} to {points[-1].lr:.2g} in {seconds:.1f} s",
        "suggested": f"{suggested:g} in place of {settings.learning_rate}",
        "to use it": _command(job, settings, suggested),
        "results": os.path.relpath(run.path),
    }
    log.info("\n".join(f"{name:<12}{line}" for name, line in lines.items()))


def _command(job: TrainingJob, settings: TrainSettings, rate: float) -> str:
    """The command of the job, with this rate in place of find=lr."""
    kept = []
    for override in job.overrides:
        setting = override.lstrip("+").partition("=")[0]
        if setting not in ("find", "optimizer.lr"):
            kept.append(override)
    has_rate = "lr" in settings.optimizer
    added = "optimizer.lr" if has_rate else "+optimizer.lr"
    return shlex.join(["python", "train.py", *kept, f"{added}={rate:g}"])


def suggest_lr(points: Sequence[Point], warms_up: bool) -> float:
    """The rate with the lowest smoothed loss, to two digits. A third of it for a schedule that does not warm up, as the
    test does. Raises InputError if the loss never fell."""
    lowest = min(points, key=lambda point: point.smoothed, default=None)
    if lowest is None or lowest.smoothed > 0.9 * points[0].loss:
        raise InputError(f"find=lr: the loss falls at no rate from {RATES[0]:g} to {RATES[-1]:g}; nothing to suggest")
    rate = lowest.lr if warms_up else lowest.lr / 3
    return float(f"{rate:.2g}")


def _range_test(settings: TrainSettings, run: RunFolder) -> list[Point]:
    ramp = RateRamp()
    trainer = build_separate_trainer(
        settings.trainer,
        run,
        precision=resolved_precision(settings.trainer),
        callbacks=[ramp],
        max_epochs=-1,
        max_steps=len(RATES),
        accumulate_grad_batches=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if trainer.world_size > 1:
        raise InputError("find=lr needs a single device: trainer=auto, or trainer.devices=1")
    datamodule = build_datamodule(settings)
    module = build_module(replace(settings, schedule=None))
    try:
        with suppress(DivergedError):
            trainer.fit(module, datamodule)
    except SystemExit:  # Lightning turns KeyboardInterrupt into it
        raise KeyboardInterrupt from None
    return ramp.points


class DivergedError(Exception):
    """Ends the test: the rate is too high."""


class RateRamp(Callback):
    """Sets the rate of each step and collects `points`. Raises DivergedError when the average is above its minimum by
    half the first loss, or not finite."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.average = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        for group in trainer.optimizers[0].param_groups:
            if "lr" not in group:
                raise InputError(f"find=lr: {type(trainer.optimizers[0]).__name__} has no learning rate")
            group["lr"] = RATES[len(self.points)]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, loss = len(self.points), float(outputs["loss"])
        if not math.isfinite(loss):
            raise DivergedError
        self.average = SMOOTHING * self.average + (1 - SMOOTHING) * loss
        smoothed = self.average / (1 - SMOOTHING ** (step + 1))  # the average starts at 0
        self.points.append(Point(RATES[step], loss, smoothed))
        if smoothed > min(point.smoothed for point in self.points) + self.points[0].loss / 2:
            raise DivergedError

"""The error rate over all batches and processes of an epoch, as a metric of torchmetrics."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from digits.evaluation.score import Score

MEANS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"loss": partial(F.cross_entropy, reduction="sum")}
"""Quantities whose mean over the images is reported in metrics.json, history.csv and leaderboards: functions of logits
float32 [N, 10] and labels int64 [N] that return the sum over the images. To add a metric, add it here."""


class ErrorRate(Metric):
    """The error rate (1 − accuracy), counted over all batches and processes and never averaged over batches, and the
    `MEANS` of the same images. With `sync_on_compute=False` it counts in this process only."""

    full_state_update = False
    higher_is_better = False

    errors: Tensor
    total: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("errors", "total"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        for name in MEANS:
            self.add_state(name, torch.zeros(()), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Logits float [N, 10], labels int64 [N]."""
        logits = logits.detach()
        self.errors += (logits.argmax(1) != labels).sum()
        self.total += len(labels)
        for name, summed in MEANS.items():
            setattr(self, name, getattr(self, name) + summed(logits.float(), labels))

    def compute(self) -> Score:
        """The score over all batches so far."""
        total = int(self.total)
        means = {name: float(getattr(self, name)) / total for name in MEANS}
        return Score(int(self.errors), total, means)

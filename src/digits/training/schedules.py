"""Learning rate schedules. Each takes the optimizer and the number of steps and epochs of the whole training, and
returns Lightning's `lr_scheduler` entry. The optimizer's rate is the highest rate.
"""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau


def onecycle(optimizer: Optimizer, steps: int, epochs: int, *, warmup: float) -> dict[str, Any]:
    """Rises from 1/25 of the rate during the fraction `warmup` of the steps, then falls to 0. Momentum, if the
    optimizer has it, moves the opposite way (L. Smith, arXiv:1803.09820).
    """
    has_momentum = "betas" in optimizer.defaults or optimizer.defaults.get("momentum", 0) > 0
    rates = [group["lr"] for group in optimizer.param_groups]
    if warmup * steps == 1:  # OneCycleLR would divide by the length of the warm-up minus one step
        warmup *= 1 - 1e-6
    scheduler = OneCycleLR(optimizer, rates, steps, pct_start=warmup, cycle_momentum=has_momentum)
    return _each_step(scheduler)


def cosine(optimizer: Optimizer, steps: int, epochs: int, *, final_lr: float) -> dict[str, Any]:
    """Falls along half a cosine to `final_lr` (arXiv:1608.03983 without restarts)."""
    return _each_step(CosineAnnealingLR(optimizer, steps, final_lr))


def exponential(optimizer: Optimizer, steps: int, epochs: int, *, gamma: float) -> dict[str, Any]:
    """Multiplies the rate by `gamma` after each epoch."""

    def factor(step: int) -> float:
        complete_epochs = step * epochs // steps
        return gamma**complete_epochs

    return _each_step(LambdaLR(optimizer, factor))


def plateau(
    optimizer: Optimizer, steps: int, epochs: int, *, factor: float, stalled_epochs: int, min_lr: float
) -> dict[str, Any]:
    """Multiplies the rate by `factor` when the validation error has not fallen for `stalled_epochs` epochs, as Keras's
    ReduceLROnPlateau does. PyTorch's `patience` is one epoch less.
    """
    scheduler = ReduceLROnPlateau(
        optimizer, factor=factor, patience=stalled_epochs - 1, threshold=1e-4, threshold_mode="abs", min_lr=min_lr
    )
    # With interval "step" the scheduler moves before the epoch's checkpoint is written; with "epoch" after it, and a
    # resumed run would miss the move.
    return _each_step(scheduler) | {"frequency": steps // epochs, "monitor": "val/error"}


def _each_step(scheduler: LRScheduler) -> dict[str, Any]:
    """The entry of Lightning for a scheduler that moves after each step."""
    return {"scheduler": scheduler, "interval": "step"}

"""Learning rate schedules, as long as the training: each takes the optimizer, the optimizer steps and the epochs
of the whole training, and returns Lightning's `lr_scheduler` entry. The optimizer's rate is the highest one.
"""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, ReduceLROnPlateau


def onecycle(optimizer: Optimizer, steps: int, epochs: int, *, warmup: float) -> dict[str, Any]:
    """Up from 1/25 of the rate during the fraction `warmup` of the steps, down to 0 in the rest; momentum, where
    the optimizer has it, the other way round (L. Smith, arXiv:1803.09820).
    """
    has_momentum = "betas" in optimizer.defaults or optimizer.defaults.get("momentum", 0) > 0
    rates = [group["lr"] for group in optimizer.param_groups]
    scheduler = OneCycleLR(optimizer, rates, steps, pct_start=warmup, cycle_momentum=has_momentum)
    return {"scheduler": scheduler, "interval": "step"}


def cosine(optimizer: Optimizer, steps: int, epochs: int, *, final_lr: float) -> dict[str, Any]:
    """Half a cosine down to `final_lr` (arXiv:1608.03983 without restarts)."""
    return {"scheduler": CosineAnnealingLR(optimizer, steps, final_lr), "interval": "step"}


def exponential(optimizer: Optimizer, steps: int, epochs: int, *, gamma: float) -> dict[str, Any]:
    """Multiplied by `gamma` after every epoch."""
    return {
        "scheduler": LambdaLR(optimizer, lambda step: gamma ** (step * epochs // steps)),
        "interval": "step",
    }


def plateau(
    optimizer: Optimizer, steps: int, epochs: int, *, factor: float, stalled_epochs: int, min_lr: float
) -> dict[str, Any]:
    """Multiplied by `factor` whenever the validation error has not fallen for `stalled_epochs` epochs: Keras's
    ReduceLROnPlateau, whose `patience` counts one epoch more than PyTorch's.
    """
    scheduler = ReduceLROnPlateau(
        optimizer,
        factor=factor,
        patience=stalled_epochs - 1,
        threshold=1e-4,
        threshold_mode="abs",
        min_lr=min_lr,
    )
    # Counted in steps, the scheduler moves before the epoch's checkpoint is written; counted in epochs, after it,
    # and a resumed run would miss the move.
    return {"scheduler": scheduler, "interval": "step", "frequency": steps // epochs, "monitor": "val/error"}

"""The exponential moving average of the weights."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from digits.private_apis.lightning import average_model


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
        is_new_step = trainer.global_step > self.latest_update_step  # unless gradients are accumulated
        if not is_new_step:
            return
        model = average_model(self)
        ema_update(self.decay, _tensors(model.module), _tensors(pl_module), trainer.global_step - 1)
        model.n_averaged += 1
        self.latest_update_step = trainer.global_step


def ema_update(decay: float, average: Sequence[Tensor], current: Sequence[Tensor], count: int) -> None:
    """Updates the exponential moving averages in place, after `count` earlier updates. The decay grows from 0.1 to
    `decay` with the number of updates, so that the initial weights do not dominate a short training."""
    keep = 0.0
    if count > 0:
        keep = min(decay, (1 + count) / (10 + count))
    float_averages, float_values = [], []
    for old, new in zip(average, current, strict=True):
        if old.is_floating_point():
            float_averages.append(old)
            float_values.append(new)
        else:  # batch normalization counts its batches
            old.copy_(new)
    # Interpolates, so that a frozen weight, whose average it is, stays the same bit by bit.
    get_ema_multi_avg_fn(keep)(float_averages, float_values, count)


def _tensors(module: nn.Module) -> list[Tensor]:
    """The parameters and buffers."""
    return [tensor.detach() for tensor in chain(module.parameters(), module.buffers())]

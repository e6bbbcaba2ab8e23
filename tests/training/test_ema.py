"""The exponential moving average of the weights."""

from collections.abc import Callable
from pathlib import Path

import torch
from helpers import last_checkpoint

from digits.training.ema import ema_update

SmallRun = Callable[..., Path]


def test_ema_weights_are_saved_beside_the_current_ones(small_run: SmallRun) -> None:
    checkpoint = last_checkpoint(small_run("schedule=constant", "ema=0.8"))
    current = checkpoint["current_model_state"]
    averaged = {name: weights for name, weights in checkpoint["state_dict"].items() if "weight" in name}
    assert not any(torch.equal(current[name], weights) for name, weights in averaged.items())


def test_ema_of_a_short_training_forgets_the_initial_weights() -> None:
    average = torch.zeros(1)
    for count in range(1, 640):
        ema_update(0.999, [average], [torch.ones(1)], count)
    assert average > 0.99

"""Schedules last as long as the training, whatever its number of epochs."""

from collections.abc import Callable
from math import cos, pi
from typing import Any

import pytest
import torch
from torch import nn

from digits.training.schedules import cosine, exponential, onecycle, plateau

STEPS, EPOCHS = 40, 4


def make_optimizer(kind: type[torch.optim.Optimizer] = torch.optim.Adam, **options: Any) -> torch.optim.Optimizer:
    return kind([nn.Parameter(torch.zeros(1))], lr=0.1, **options)


def rates(kind: Callable[..., dict[str, Any]], **options: float) -> list[float]:
    """The rate of each step."""
    optimizer, seen = make_optimizer(), []
    schedule = kind(optimizer, STEPS, EPOCHS, **options)
    for _ in range(STEPS):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    return seen


def test_onecycle_rises_to_the_optimizers_rate_and_falls_to_nothing() -> None:
    seen = rates(onecycle, warmup=0.25)
    assert max(seen) == pytest.approx(0.1)
    assert seen.index(max(seen)) == 9
    assert seen[0] == pytest.approx(0.1 / 25)
    assert seen[-1] < 1e-6


@pytest.mark.parametrize("steps", [1, 2, 4, 5])
def test_onecycle_of_a_few_steps(steps: int) -> None:
    optimizer = make_optimizer()
    onecycle(optimizer, steps, 1, warmup=0.2)
    assert 0 <= optimizer.param_groups[0]["lr"] <= 0.1


@pytest.mark.parametrize(("kind", "options", "cycles"), [
    (torch.optim.Adam, {}, True),
    (torch.optim.SGD, {"momentum": 0.9}, True),
    (torch.optim.SGD, {}, False),
    (torch.optim.RMSprop, {}, False),
    (torch.optim.Adadelta, {}, False),
])  # fmt: skip
def test_onecycle_moves_momentum_only_where_there_is_one(kind: Any, options: dict[str, Any], cycles: bool) -> None:
    optimizer = make_optimizer(kind, **options)
    before = {key: value for key, value in optimizer.param_groups[0].items() if key in ("momentum", "betas")}
    onecycle(optimizer, STEPS, EPOCHS, warmup=0.25)
    after = {key: value for key, value in optimizer.param_groups[0].items() if key in before}
    assert (before != after) == cycles


def test_cosine_ends_at_its_final_rate() -> None:
    expected = [0.06 + 0.04 * cos(pi * step / STEPS) for step in range(STEPS)]  # 0.02 after the last step
    assert rates(cosine, final_lr=0.02) == pytest.approx(expected)


def test_exponential_falls_once_an_epoch() -> None:
    assert rates(exponential, gamma=0.5) == pytest.approx([0.1] * 10 + [0.05] * 10 + [0.025] * 10 + [0.0125] * 10)


def test_plateau_counts_as_keras_does() -> None:
    """Keras's ReduceLROnPlateau with patience 3 reduces in the third epoch without improvement, down to min_lr."""
    optimizer = make_optimizer()
    schedule = plateau(optimizer, STEPS, EPOCHS, factor=0.5, stalled_epochs=3, min_lr=0.03)
    seen = []
    for error in [0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.3]:
        schedule["scheduler"].step(error)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.03, 0.03])
    assert schedule["monitor"] == "val/error"
    assert schedule["frequency"] * EPOCHS == STEPS

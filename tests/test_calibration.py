"""The temperature makes confidence mean what it says."""

import json
from pathlib import Path

import pytest
import torch

from digits.calibration import Logits, calibration, calibration_error, fit_temperature


def drawn(count: int, sharpness: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax at the temperature `sharpness` is the distribution that the labels were drawn from."""
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(count, 10, generator=generator) * 2
    labels = torch.multinomial(true.softmax(1), 1, generator=generator)[:, 0]
    return true * sharpness, labels


@pytest.mark.parametrize("sharpness", [0.3, 1, 4])
def test_finds_the_temperature(sharpness: float) -> None:
    logits, labels = drawn(20_000, sharpness)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(sharpness, rel=0.05)
    error = calibration(logits, labels, temperature)
    assert error["after"] < 0.01
    assert error["before"] == calibration_error(logits, labels)
    if sharpness != 1:
        assert error["before"] > 0.1


def test_calibration_error_by_hand() -> None:
    """Two digits at 60 %, of which one is right: 10 points apart."""
    logits = torch.full((2, 10), 0.4 / 9).log()
    logits[:, 3] = torch.tensor(0.6).log()
    assert calibration_error(logits, torch.tensor([3, 4])) == pytest.approx(0.1)


def test_perfect_validation_is_survived() -> None:
    assert 0.05 <= fit_temperature(torch.eye(10) * 30, torch.arange(10)) <= 20


def test_logits_of_all_batches() -> None:
    metric = Logits()
    logits, labels = drawn(30, 1)
    for start in (0, 20):
        metric.update(logits[start : start + 20], labels[start : start + 20])
    assert torch.equal(metric.compute()[0], logits)
    assert torch.equal(metric.compute()[1], labels)


def test_metrics_tell_of_it(trained: Path) -> None:
    told = json.loads((trained / "metrics.json").read_text())["calibration"]
    assert 0.05 <= told["temperature"] <= 20
    for stage in ("val", "test"):
        assert 0 <= told[stage]["after"] <= 1
    assert told["val"]["before"] != told["val"]["after"]

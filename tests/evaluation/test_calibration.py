"""The temperature makes confidence mean what it says."""

import json
from pathlib import Path

import pytest
import torch

from digits.data.sources import sample
from digits.evaluation.calibration import calibration, calibration_error, fit_temperature
from digits.evaluation.metrics import LogitsCollector
from digits.prediction.classifier import load_classifier


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


def test_without_mistakes_it_does_not_become_infinitely_sure() -> None:
    logits, labels = torch.eye(10).repeat(50, 1) * 4, torch.arange(10).repeat(50)
    confidence = (logits / fit_temperature(logits, labels)).softmax(1).max(1).values
    assert (confidence > 0.99).all()
    assert (confidence < 0.9995).all()


def test_logits_of_all_batches() -> None:
    metric = LogitsCollector()
    logits, labels = drawn(30, 1)
    for start in (0, 20):
        metric.update(logits[start : start + 20], labels[start : start + 20])
    assert torch.equal(metric.compute()[0], logits)
    assert torch.equal(metric.compute()[1], labels)


def test_metrics_tell_of_it(trained: Path) -> None:
    told = json.loads((trained / "metrics.json").read_text())["calibration"]
    assert 0.05 <= told["temperature"] <= 20
    source = sample()
    assert source.test is not None
    images, labels = source.test
    logits = load_classifier(trained, precision="32-true").predict(images).log()  # at that temperature
    assert calibration_error(logits, labels) == pytest.approx(told["test"]["after"], abs=1e-4)
    assert calibration_error(logits * told["temperature"], labels) == pytest.approx(told["test"]["before"], abs=1e-4)
    assert set(told["val"]) == {"before", "after"}

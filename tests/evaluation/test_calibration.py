"""Temperature scaling makes the confidence equal to the accuracy."""

from pathlib import Path

import pytest
import torch
from helpers import read_metrics_json

from digits.data.sources import sample
from digits.evaluation.calibration import calibration_error, calibration_summary, fit_temperature
from digits.prediction.classifier import load_classifier


def draw_logits(count: int, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that need this temperature to be the distribution from which their labels were drawn."""
    generator = torch.Generator().manual_seed(0)
    calibrated = torch.randn(count, 10, generator=generator) * 2
    labels = torch.multinomial(calibrated.softmax(1), 1, generator=generator)[:, 0]
    return calibrated * temperature, labels


@pytest.mark.parametrize("expected", [0.3, 1, 4])
def test_finds_the_temperature(expected: float) -> None:
    logits, labels = draw_logits(20_000, expected)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(expected, rel=0.05)
    error = calibration_summary(logits, labels, temperature)
    assert error["after"] < 0.01
    assert (error["before"] > 0.1) == (expected != 1)


def test_calibration_error_by_hand() -> None:
    """Two digits at 60 %, one of them right: 10 points apart."""
    logits = torch.full((2, 10), 0.4 / 9).log()
    logits[:, 3] = torch.tensor(0.6).log()
    assert calibration_error(logits, torch.tensor([3, 4])) == pytest.approx(0.1)


def test_network_without_mistakes_keeps_some_doubt() -> None:
    logits, labels = torch.eye(10).repeat(50, 1) * 4, torch.arange(10).repeat(50)
    confidence = (logits / fit_temperature(logits, labels)).softmax(1).max(1).values
    assert (confidence > 0.99).all()
    assert (confidence < 0.9995).all()


def test_metrics_file_has_the_calibration_of_the_saved_network(trained: Path) -> None:
    calibration = read_metrics_json(trained)["calibration"]
    images, labels = sample().test
    calibrated = torch.from_numpy(load_classifier(trained, precision="32-true").predict(images)).log()
    for logits, stage in ((calibrated, "after"), (calibrated * calibration["temperature"], "before")):
        assert calibration_error(logits, labels) == pytest.approx(calibration["test"][stage], abs=1e-4)
    assert set(calibration["val"]) == {"before", "after"}

"""Plots are saved for any result, from no mistake to more than fit."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from digits.evaluation import plots
from digits.evaluation.evaluate import Misclassified

pytestmark = pytest.mark.usefixtures("drawn_figures")


@pytest.mark.parametrize("count", [0, 1, 25, 60])
def test_misclassified_images_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(plots, "MAX_IMAGES", 40)
    labels = torch.zeros(count, dtype=torch.long)
    images = torch.full((count, 28, 28), 255, dtype=torch.uint8)
    misclassified = Misclassified(images, labels, labels + 1, torch.full((count,), 0.5), torch.arange(count))
    plots.plot_misclassified(misclassified, "", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        dark = sum(picture.convert("L").histogram()[:10]) / (picture.width * picture.height)
    assert (dark > 0.2) == (count > 10)  # the images are all ink


def test_confusion_of_a_perfect_network(tmp_path: Path) -> None:
    plots.plot_confusion(torch.eye(10, dtype=torch.long) * 5, "0 mistakes", tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size > 0

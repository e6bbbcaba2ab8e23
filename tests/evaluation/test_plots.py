"""Plots are saved for any result, from no mistake to more than fit."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from digits.evaluation.metrics import Misclassified
from digits.evaluation.plots import MAX_IMAGES, plot_confusion, plot_curves, plot_misclassified


@pytest.mark.parametrize("count", [0, 1, 25, MAX_IMAGES + 500])
def test_misclassified_images_are_shown(tmp_path: Path, count: int) -> None:
    labels = torch.zeros(count, dtype=torch.long)
    images = torch.full((count, 28, 28), 255, dtype=torch.uint8)
    plot_misclassified(Misclassified(images, labels, labels + 1, torch.full((count,), 0.5)), "", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        dark = sum(picture.convert("L").histogram()[:10]) / (picture.width * picture.height)
    assert (dark > 0.2) == (count > 10)  # the images are all ink


def test_curves_without_validation(tmp_path: Path) -> None:
    rows = [{"epoch": epoch, "train/error": 0.0, "train/loss": 1 / epoch} for epoch in (1, 2, 3)]
    plot_curves(rows, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 0


def test_confusion_of_a_perfect_network(tmp_path: Path) -> None:
    plot_confusion(torch.eye(10, dtype=torch.long) * 5, "0 mistakes", tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size > 0

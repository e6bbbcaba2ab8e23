"""Pictures are drawn for any result, from none wrong to most."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from digits.evaluation.plots import MOST_MISTAKES, plot_confusion, plot_curves, plot_mistakes


@pytest.mark.parametrize("count", [0, 1, 25, MOST_MISTAKES + 500])
def test_mistakes(tmp_path: Path, count: int) -> None:
    mistakes = {
        "images": torch.full((count, 28, 28), 255, dtype=torch.uint8),
        "labels": torch.zeros(count, dtype=torch.long),
        "predicted": torch.ones(count, dtype=torch.long),
        "confidence": torch.full((count,), 0.5),
    }
    plot_mistakes(mistakes, f"{count} mistakes", tmp_path / "mistakes.png")
    with Image.open(tmp_path / "mistakes.png") as picture:
        dark = sum(picture.convert("L").histogram()[:10]) / (picture.width * picture.height)
    shown = min(count, MOST_MISTAKES)
    assert (dark > 0.2) == (shown > 10)  # the images are all ink


def test_curves_without_validation(tmp_path: Path) -> None:
    rows = [{"epoch": epoch, "train/error": 0.0, "train/loss": 1 / epoch} for epoch in (1, 2, 3)]
    plot_curves(rows, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 0


def test_confusion_of_a_perfect_network(tmp_path: Path) -> None:
    plot_confusion(torch.eye(10, dtype=torch.long) * 5, "0 mistakes", tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size > 0

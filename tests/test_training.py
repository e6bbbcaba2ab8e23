"""Properties of whole runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SMALL, config
from torch import Tensor

from digits.checkpoint import read_checkpoint
from digits.training import train


def run(folder: Path, csv: Path, *overrides: str) -> dict[str, Any]:
    """Trains on made digits with small settings; returns the checkpoint."""
    folder.mkdir(exist_ok=True)
    settings = [*SMALL, "data=csv", f"data.train_csv={csv}", "data.val_size=20", "model=dropout_cnn", *overrides]
    train(config(*settings), folder)
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")


def assert_same_weights(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, weights in one["state_dict"].items():
        assert torch.equal(weights, other["state_dict"][name]), name


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["schedule=cosine", "model=compact_cnn", "ema=0.9"],
        ["schedule=exponential", "optimizer=sgd"],
        ["schedule=plateau", "schedule.stalled_epochs=1", "optimizer=rmsprop", "optimizer.lr=0.0001"],
        ["schedule=constant", "optimizer=adadelta", "augment=elastic"],
    ],
    ids=" ".join,
)
def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, made_csv: Path, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*settings, "trainer.max_epochs=4"]
    whole = run(tmp_path / "whole", made_csv, *settings)

    from digits.module import DigitClassifier

    def interrupt(self: DigitClassifier) -> None:
        if self.current_epoch == 2:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(DigitClassifier, "on_train_epoch_start", interrupt)
        with pytest.raises(Interrupted):
            run(tmp_path / "halves", made_csv, *settings)
    last = tmp_path / "halves" / "checkpoints" / "last.ckpt"
    resumed = run(tmp_path / "halves", made_csv, *settings, f"resume={last}")

    assert_same_weights(resumed, whole)
    assert resumed["epoch"] == whole["epoch"]

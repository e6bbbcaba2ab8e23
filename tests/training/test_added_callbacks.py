"""Callbacks of `trainer.callbacks` need no code here: their epochs, weights and files are those of the run."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers import (
    PowerCutError,
    allow_targets,
    assert_same_weights,
    interrupt,
    last_checkpoint,
    read_metrics_json,
    slow,
    train_small,
    trained_network,
)

from digits.data.kaggle_csv import read_csv
from digits.models.layers import scale_images
from digits.runs.checkpoint import read_checkpoint

SmallRun = Callable[..., Path]
SWA = "trainer.callbacks=[{_target_: lightning.pytorch.callbacks.StochasticWeightAveraging, swa_lrs: 0.01}]"
WITH_BATCH_NORM, WITHOUT = "model=compact_cnn", "model=dropout_cnn"
LONGER = """
from lightning.pytorch import Callback

class Longer(Callback):
    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch + 1 == trainer.max_epochs < 4:
            trainer.fit_loop.max_epochs += 1
"""


def mistakes(folder: Path, made_csv: Path) -> int:
    """The errors of the checkpoint that a run names, on all digits."""
    images, labels = read_csv(made_csv)
    checkpoint = read_checkpoint(folder / read_metrics_json(folder)["checkpoint"])
    with torch.no_grad():
        return int((trained_network(checkpoint)(scale_images(images)).argmax(1) != labels).sum())


@pytest.mark.parametrize("weights", ["weights=last", slow("weights=best")])
def test_epochs_that_a_callback_adds_are_kept(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    (tmp_path / "longer.py").write_text(LONGER)
    allow_targets(tmp_path, monkeypatch, "longer")
    run = tmp_path / "run"
    added = "trainer.callbacks=[{_target_: longer.Longer}]"
    test = f"data.test_csv={made_csv}"
    assert train_small(run, made_csv, added, test, weights, "schedule=constant")["epoch"] == 3
    metrics, history = read_metrics_json(run), pd.read_csv(run / "history.csv")
    assert metrics["epochs"] == len(history) == 4
    expected = history["val/error"].iloc[-1] if weights == "weights=last" else history["val/error"].min()
    assert metrics["val"]["error"] == expected
    assert metrics["test"]["errors"] == mistakes(run, made_csv)


def test_averaged_weights_with_batch_normalization_are_the_result(small_run: SmallRun, made_csv: Path) -> None:
    folder = small_run(SWA, WITH_BATCH_NORM, f"data.test_csv={made_csv}", "trainer.max_epochs=3")
    metrics, checkpoint = read_metrics_json(folder), last_checkpoint(folder)
    assert metrics["epochs"] == checkpoint["epoch"] + 1 == 4  # the last one measures the statistics
    assert metrics["val"]["error"] == pd.read_csv(folder / "history.csv")["val/error"].iloc[-1]
    assert metrics["test"]["errors"] == mistakes(folder, made_csv)


def test_weights_that_a_callback_sets_at_the_end_are_the_result(small_run: SmallRun, made_csv: Path) -> None:
    folder = small_run(SWA, WITHOUT, f"data.test_csv={made_csv}", "trainer.max_epochs=3")
    checkpoint = last_checkpoint(folder)
    average = checkpoint["callbacks"]["StochasticWeightAveraging"]["average_model_state"]
    for name, weights in checkpoint["state_dict"].items():
        assert torch.equal(weights, average[name]), name
    metrics = read_metrics_json(folder)
    assert metrics["test"]["errors"] == mistakes(folder, made_csv)
    images, labels = read_csv(made_csv)
    with torch.no_grad():
        loss = F.cross_entropy(trained_network(checkpoint)(scale_images(images)), labels)
    assert metrics["test"]["loss"] == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize(("model", "epoch"), [
    (WITH_BATCH_NORM, 3),
    slow(WITH_BATCH_NORM, 2),
    slow(WITH_BATCH_NORM, 4),
    slow(WITHOUT, 2),
    slow(WITHOUT, 3),
])  # fmt: skip
def test_resumed_average_is_that_of_an_uninterrupted_run(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch, model: str, epoch: int
) -> None:
    settings = [SWA, model, "trainer.max_epochs=4", "schedule=constant"]
    interrupt(monkeypatch, "on_train_epoch_start", epoch, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path, made_csv, *settings)
    monkeypatch.undo()
    resumed = train_small(tmp_path, made_csv, *settings, f"resume={tmp_path}/checkpoints/last.ckpt")
    assert_same_weights(resumed, last_checkpoint(small_run(*settings)))

"""A resumed run ends exactly as an uninterrupted one, or is refused."""

import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from helpers import assert_same_weights, read_metrics_json, train_small

from digits.errors import InputError
from digits.runs.checkpoint import read_checkpoint
from digits.training.module import DigitsModule


class PowerCutError(Exception):
    """Between two epochs."""


def interrupt_epoch(number: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raises the error at the start of that epoch, counted from 0."""

    def interrupt(self: DigitsModule) -> None:
        if self.current_epoch == number:
            raise error

    monkeypatch.setattr(DigitsModule, "on_train_epoch_start", interrupt)


@pytest.mark.parametrize(
    "settings",
    [
        ["schedule=onecycle", "optimizer=adam"],
        ["schedule=cosine", "model=compact_cnn", "ema=0.9"],
        ["schedule=exponential", "optimizer=sgd", "optimizer.lr=0.01"],
        ["schedule=plateau", "schedule.stalled_epochs=1", "optimizer=rmsprop", "optimizer.lr=0.0001"],
        ["schedule=constant", "optimizer=adadelta", "augment=elastic", "weights=best"],
    ],
    ids=" ".join,
)
def test_resumed_run_ends_as_an_uninterrupted_one(
    tmp_path: Path, made_csv: Path, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*settings, "trainer.max_epochs=4"]
    uninterrupted = train_small(tmp_path / "whole", made_csv, *settings)
    with monkeypatch.context() as patch:
        interrupt_epoch(2, PowerCutError(), patch)
        with pytest.raises(PowerCutError):
            train_small(tmp_path / "halves", made_csv, *settings)
    last = tmp_path / "halves" / "checkpoints" / "last.ckpt"
    assert len(pd.read_csv(tmp_path / "halves" / "history.csv")) == 2

    resumed = train_small(tmp_path / "halves", made_csv, *settings, f"resume={last}")

    assert_same_weights(resumed, uninterrupted)
    histories = [pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds") for name in ("whole", "halves")]
    pd.testing.assert_frame_equal(*histories)
    assert read_metrics_json(tmp_path / "whole")["val"] == read_metrics_json(tmp_path / "halves")["val"]


def test_ctrl_c_keeps_the_last_checkpoint_and_logs_how_to_resume(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    interrupt_epoch(1, KeyboardInterrupt(), monkeypatch)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit):
        train_small(tmp_path, made_csv)
    signal.signal(signal.SIGINT, handler)
    metrics = read_metrics_json(tmp_path)
    assert (metrics["status"], metrics["epochs"], metrics["checkpoint"]) == ("interrupted", 1, "checkpoints/last.ckpt")
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["epoch"] == 0
    assert f"resume={os.path.relpath(tmp_path)}/checkpoints/last.ckpt" in caplog.text


def test_interrupted_evaluation_loses_no_epoch(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise PowerCutError

    monkeypatch.setattr(DigitsModule, "test_step", fail)
    with pytest.raises(PowerCutError):
        train_small(tmp_path, made_csv, f"data.test_csv={made_csv}")
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["epoch"] == 1


@pytest.fixture(scope="module")
def completed(tmp_path_factory: pytest.TempPathFactory, made_csv: Path) -> Path:
    """The last checkpoint of a run without a schedule, with averaged weights."""
    folder = tmp_path_factory.mktemp("completed")
    train_small(folder, made_csv, "schedule=constant", "ema=0.8")
    return folder / "checkpoints" / "last.ckpt"


def test_epochs_can_be_added_in_another_folder(
    tmp_path: Path, made_csv: Path, completed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ["schedule=constant", "ema=0.8", f"resume={completed}"]
    longer = train_small(tmp_path / "longer", made_csv, *settings, "trainer.max_epochs=3")
    assert "trainer.max_epochs was 2, now 3" in caplog.text
    assert longer["epoch"] == 2
    assert len(pd.read_csv(tmp_path / "longer" / "history.csv")) == 3

    same = train_small(tmp_path / "same", made_csv, *settings)
    assert_same_weights(same, read_checkpoint(completed))
    assert read_metrics_json(tmp_path / "same")["val"] == read_metrics_json(completed.parent.parent)["val"]


@pytest.mark.parametrize(
    ("setting", "message"),
    {
        "model=larger_cnn": "model.name was dropout_cnn, now larger_cnn",
        "optimizer=sgd": "optimizer._target_ was torch.optim.AdamW, now torch.optim.SGD",
        "schedule=cosine": "schedule._target_ was None, now digits.training.schedules.cosine",
        "trainer.max_epochs=1": "trainer.max_epochs was 2, now 1",
        "data.batch_size=9": "data.batch_size was 16, now 9",
        "seed=9": "seed was 0, now 9",
        "trainer.devices=2": "trainer.devices was 1, now 2",
        "weights=best": "weights=best",
    }.items(),
)
def test_settings_that_change_the_outcome_are_refused(
    tmp_path: Path, made_csv: Path, completed: Path, setting: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_small(tmp_path / "two", made_csv, "schedule=constant", "ema=0.8", setting, f"resume={completed}")


def test_epochs_cannot_be_added_to_a_schedule(tmp_path: Path, made_csv: Path) -> None:
    train_small(tmp_path / "one", made_csv)
    last = tmp_path / "one" / "checkpoints" / "last.ckpt"
    with pytest.raises(InputError, match="trainer.max_epochs was 2, now 9"):
        train_small(tmp_path / "two", made_csv, "trainer.max_epochs=9", f"resume={last}")


def test_checkpoint_written_before_a_renaming_is_resumed(tmp_path: Path, made_csv: Path, completed: Path) -> None:
    checkpoint = read_checkpoint(completed)
    config = checkpoint["digits"]["config"]
    config["data"]["source"]["_target_"] = "digits.sources.csv"
    config["data"]["_target_"] = "digits.datamodule.DigitsDataModule"
    config["augment"]["_target_"] = "digits.augmentation.RandomAffine"
    torch.save(checkpoint, tmp_path / "old.ckpt")
    settings = ["schedule=constant", "ema=0.8", f"resume={tmp_path / 'old.ckpt'}"]
    assert_same_weights(train_small(tmp_path / "run", made_csv, *settings), checkpoint)

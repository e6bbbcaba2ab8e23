"""A resumed run ends exactly as an uninterrupted one, or is refused."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
import torch
from helpers import PowerCutError, assert_same_weights, interrupt, last_checkpoint, read_metrics_json, train_small
from lightning.pytorch.callbacks import ModelCheckpoint

from digits.errors import InputError
from digits.runs.checkpoint import read_checkpoint, write_checkpoint
from digits.runs.safe_archive import open_archive
from digits.training.checkpoint_io import AtomicCheckpointIO

SmallRun = Callable[..., Path]
LAST, BEST = Path("checkpoints", "last.ckpt"), Path("checkpoints", "best.ckpt")
CONSTANT = ["schedule=constant", "ema=0.8"]


@pytest.mark.parametrize("settings", [
    ["schedule=onecycle", "optimizer=adam"],
    ["schedule=cosine", "model=compact_cnn", "ema=0.9"],
    ["schedule=onecycle", "model=compact_cnn", "optimizer=muon"],
    ["schedule=exponential", "optimizer=sgd", "optimizer.lr=0.01"],
    ["schedule=plateau", "schedule.stalled_epochs=1", "optimizer=rmsprop", "optimizer.lr=0.0001"],
    ["schedule=constant", "optimizer=adadelta", "augment=elastic", "augment.erasing=0.5", "weights=best"],
], ids=" ".join)  # fmt: skip
def test_resumed_run_ends_as_an_uninterrupted_one(
    tmp_path: Path, made_csv: Path, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*settings, "trainer.max_epochs=4"]
    uninterrupted = train_small(tmp_path / "one", made_csv, *settings)
    interrupt(monkeypatch, "on_train_epoch_start", 2, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "two", made_csv, *settings)
    assert len(pd.read_csv(tmp_path / "two" / "history.csv")) == 2
    monkeypatch.undo()

    resumed = train_small(tmp_path / "two", made_csv, *settings, f"resume={tmp_path / 'two' / LAST}")

    assert_same_weights(resumed, uninterrupted)
    histories = [pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds") for name in ("one", "two")]
    pd.testing.assert_frame_equal(*histories)
    assert read_metrics_json(tmp_path / "one")["val"] == read_metrics_json(tmp_path / "two")["val"]


def test_run_killed_between_its_final_checkpoints_keeps_the_best(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["weights=best", "schedule=constant", "optimizer=adamw", "optimizer.lr=0.0005", "trainer.max_epochs=3"]
    train_small(tmp_path / "one", made_csv, *settings)
    best = read_checkpoint(tmp_path / "one" / BEST)
    assert best["epoch"] == 2
    written = []

    def cut(checkpoint: dict[str, Any], path: Path) -> None:
        if checkpoint["epoch"] == 2:
            if written:
                raise PowerCutError
            written.append(path)
        write_checkpoint(checkpoint, path)

    monkeypatch.setattr("digits.training.checkpoint_io.write_checkpoint", cut)
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "two", made_csv, *settings)
    monkeypatch.undo()
    train_small(tmp_path / "two", made_csv, *settings, f"resume={tmp_path / 'two' / LAST}")
    assert_same_weights(read_checkpoint(tmp_path / "two" / BEST), best)


def test_ctrl_c_keeps_the_last_checkpoint_and_logs_how_to_resume(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    interrupt(monkeypatch, "on_train_epoch_start", 1, KeyboardInterrupt())
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit):
        train_small(tmp_path, made_csv)
    signal.signal(signal.SIGINT, handler)
    metrics = read_metrics_json(tmp_path)
    assert (metrics["status"], metrics["epochs"], metrics["checkpoint"]) == ("interrupted", 1, str(LAST))
    assert last_checkpoint(tmp_path)["epoch"] == 0
    assert f"resume={os.path.relpath(tmp_path / LAST)}" in caplog.text


def test_partial_files_of_a_killed_run_are_removed(tmp_path: Path, made_csv: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in (".metrics.json.0123abcd.part", "checkpoints/.last.ckpt.0123abcd.part"):
        (tmp_path / name).touch()
    train_small(tmp_path, made_csv)
    assert not list(tmp_path.rglob(".*.part"))


def test_interrupted_evaluation_loses_no_epoch(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("digits.training.final_evaluation.evaluate", Mock(side_effect=PowerCutError))
        with pytest.raises(PowerCutError):
            train_small(tmp_path, made_csv)
    checkpoint = last_checkpoint(tmp_path)
    assert checkpoint["epoch"] == 1
    assert "temperature" not in checkpoint["digits"]
    resumed = train_small(tmp_path, made_csv, f"resume={tmp_path / LAST}")
    assert_same_weights(resumed, last_checkpoint(small_run()))
    assert read_metrics_json(tmp_path)["val"] == read_metrics_json(small_run())["val"]


def test_resumed_checkpoint_is_verified_once(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []

    def record(path: Path) -> Any:
        verified.append(Path(path))
        return open_archive(path)

    monkeypatch.setattr("digits.runs.checkpoint.open_archive", record)
    given = small_run(*CONSTANT) / LAST
    verified.clear()
    train_small(tmp_path, made_csv, *CONSTANT, f"resume={given}", "trainer.max_epochs=3")
    assert verified.count(given) == 1


def test_epochs_can_be_added_without_a_schedule(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, caplog: pytest.LogCaptureFixture
) -> None:
    resume = f"resume={small_run(*CONSTANT) / LAST}"
    longer = train_small(tmp_path, made_csv, *CONSTANT, resume, "trainer.max_epochs=3")
    assert "trainer.max_epochs was 2, now 3" in caplog.text
    assert longer["epoch"] == 2
    assert len(pd.read_csv(tmp_path / "history.csv")) == 3


@pytest.mark.parametrize(("setting", "message"), [
    ("model=larger_cnn", "model.name was dropout_cnn, now larger_cnn"),
    ("optimizer=sgd", "optimizer._target_ was digits.training.muon.Muon, now torch.optim.SGD"),
    ("schedule=cosine", "schedule._target_ was None, now digits.training.schedules.cosine"),
    ("schedule=onecycle trainer.max_epochs=9", "trainer.max_epochs was 2, now 9"),
    ("trainer.max_epochs=1", "trainer.max_epochs was 2, now 1"),
    ("data.batch_size=9", "data.batch_size was 16, now 9"),
    ("seed=9", "seed was 0, now 9"),
    ("trainer.devices=2", "trainer.devices was 1, now 2"),
    ("weights=best", "weights=best"),
])  # fmt: skip
def test_settings_that_change_the_outcome_are_refused(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, setting: str, message: str
) -> None:
    before = [] if "onecycle" in setting else CONSTANT
    with pytest.raises(InputError, match=message):
        train_small(tmp_path, made_csv, *before, *setting.split(), f"resume={small_run(*before) / LAST}")


def test_only_files_of_the_folder_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (tmp_path / "other").mkdir()
    for path in (folder / "old.ckpt", tmp_path / "other" / "old.ckpt"):
        path.touch()
        AtomicCheckpointIO(folder).remove_checkpoint(path)
    AtomicCheckpointIO(folder).remove_checkpoint(tmp_path / "other")
    AtomicCheckpointIO(folder).remove_checkpoint(folder / ".." / "other" / "old.ckpt")
    assert not (folder / "old.ckpt").exists()
    assert (tmp_path / "other" / "old.ckpt").exists()


@pytest.mark.slow
def test_best_epoch_of_an_older_version_is_not_forgotten(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["weights=best", "schedule=constant", "optimizer.lr=0.0005", "trainer.max_epochs=4"]
    uninterrupted = train_small(tmp_path / "one", made_csv, *settings)
    interrupt(monkeypatch, "on_train_epoch_start", 2, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "two", made_csv, *settings)
    monkeypatch.undo()
    old = last_checkpoint(tmp_path / "two")
    for name, monitor in (("last", None), ("best", "val/error")):
        key = ModelCheckpoint(monitor=monitor).state_key
        old["callbacks"][key] = old["callbacks"].pop(f"RunCheckpoint {name}")
    torch.save(old, tmp_path / "two" / LAST)
    resumed = train_small(tmp_path / "two", made_csv, *settings, f"resume={tmp_path / 'two' / LAST}")
    assert_same_weights(resumed, uninterrupted)
    best = [checkpoint["callbacks"]["RunCheckpoint best"] for checkpoint in (resumed, uninterrupted)]
    assert best[0]["best_model_score"] == best[1]["best_model_score"]


def test_lightning_removes_files_by_this_method_only(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback that keeps the newest epoch asks to remove the older one."""
    removed = []

    def record(self: AtomicCheckpointIO, path: Path) -> None:
        removed.append(Path(path).name)

    monkeypatch.setattr(AtomicCheckpointIO, "remove_checkpoint", record)
    target = "lightning.pytorch.callbacks.ModelCheckpoint"
    callback = (
        f"{{_target_:{target},dirpath:{tmp_path / 'run' / 'checkpoints'},filename:'{{epoch}}',monitor:epoch,mode:max}}"
    )
    train_small(tmp_path / "run", made_csv, *CONSTANT, f"trainer.callbacks=[{callback}]")
    assert removed == ["epoch=0.ckpt"]
    assert (tmp_path / "run" / "checkpoints" / "epoch=0.ckpt").exists()


DAMAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no callbacks": lambda checkpoint: checkpoint.pop("callbacks"),
    "epoch": lambda checkpoint: checkpoint.update(epoch="1"),
    "optimizer": lambda checkpoint: checkpoint.update(optimizer_states=[{"state": 3}]),
    "no loops": lambda checkpoint: checkpoint.pop("loops"),
    "weights": lambda checkpoint: checkpoint["state_dict"].popitem(),
    "history": lambda checkpoint: [state.update(rows=[{"epoch": "x"}]) for state in checkpoint["callbacks"].values()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_checkpoint_without_the_state_of_the_run_is_refused(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, damage: str
) -> None:
    checkpoint = last_checkpoint(small_run(*CONSTANT))
    DAMAGES[damage](checkpoint)
    torch.save(checkpoint, tmp_path / "other.ckpt")
    with pytest.raises(InputError, match=r"other\.ckpt: (does not hold|holds weights, but not) the state"):
        train_small(tmp_path / "run", made_csv, *CONSTANT, f"resume={tmp_path / 'other.ckpt'}")
    assert read_metrics_json(tmp_path / "run")["status"] == "failed"


def test_completed_checkpoint_of_an_older_version_is_scored_again(
    tmp_path: Path, made_csv: Path, small_run: SmallRun
) -> None:
    checkpoint = last_checkpoint(small_run(*CONSTANT))
    config = checkpoint["digits"]["config"]
    config["data"]["source"]["_target_"] = "digits.sources.csv"
    config["data"]["_target_"] = "digits.datamodule.DigitsDataModule"
    config["augment"]["_target_"] = "digits.augmentation.RandomAffine"
    torch.save(checkpoint, tmp_path / "old.ckpt")
    resumed = train_small(tmp_path / "run", made_csv, *CONSTANT, f"resume={tmp_path / 'old.ckpt'}")
    assert_same_weights(resumed, checkpoint)
    assert read_metrics_json(tmp_path / "run")["val"] == read_metrics_json(small_run(*CONSTANT))["val"]

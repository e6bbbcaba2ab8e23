"""Each row of history.csv holds numbers of its own epoch, and `epochs` counts only complete ones."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from helpers import (
    PowerCutError,
    allow_targets,
    assert_same_weights,
    interrupt,
    last_checkpoint,
    read_metrics_json,
    slow,
    train_small,
)
from lightning.pytorch.callbacks import Timer

from digits.errors import InputError
from digits.runs.folder import RunFolder

SmallRun = Callable[..., Path]
COLUMNS = ["epoch", "train/error", "train/loss", "val/error", "val/loss", "lr", "seconds"]
EVERY_SECOND = "+trainer.check_val_every_n_epoch=2"
STEPS = 7  # of an epoch: 100 digits in batches of 16
HALFWAY = """
from lightning.pytorch import Callback

class Stop(Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        trainer.should_stop = trainer.current_epoch == 1 and batch_idx == 2

class Skip(Callback):
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.current_epoch == 0 and batch_idx == 3:
            raise StopIteration
"""


def history(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv")


def test_epochs_without_validation_have_empty_cells(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings = ["schedule=constant", "trainer.max_epochs=4"]
    every = small_run(*settings)
    caplog.clear()
    train_small(tmp_path, made_csv, *settings, EVERY_SECOND)
    assert_same_weights(last_checkpoint(tmp_path), last_checkpoint(every))
    table, expected = history(tmp_path), history(every)
    expected.loc[[0, 2], ["val/error", "val/loss"]] = None
    assert list(table.columns) == COLUMNS
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), expected.drop(columns="seconds"))
    lines = [line for line in caplog.text.splitlines() if "epoch " in line]
    assert ["val error" in line for line in lines] == [False, True, False, True]
    rows = last_checkpoint(tmp_path)["callbacks"]["EpochHistory"]["rows"]  # which curves.png shows
    assert ["val/error" in row for row in rows] == [False, True, False, True]


def test_columns_do_not_depend_on_the_validated_epochs(small_run: SmallRun) -> None:
    folder = small_run("+trainer.check_val_every_n_epoch=3")
    assert list(history(folder).columns) == COLUMNS
    assert history(folder)["val/error"].isna().all()
    assert read_metrics_json(folder)["val"]["total"] == 20  # at the end


@pytest.mark.slow
def test_resumed_history_has_the_same_empty_cells(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["schedule=constant", "trainer.max_epochs=4", EVERY_SECOND]
    interrupt(monkeypatch, "on_train_epoch_start", 3, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path, made_csv, *settings)
    assert RunFolder(tmp_path).validation_errors()[::2] == [None, None]
    monkeypatch.undo()
    train_small(tmp_path, made_csv, *settings, f"resume={tmp_path}/checkpoints/last.ckpt")
    tables = [history(folder).drop(columns="seconds") for folder in (tmp_path, small_run(*settings))]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(("settings", "message"), [
    (["schedule=plateau", EVERY_SECOND], "schedule=plateau needs the error of each epoch"),
    (["weights=best", "+trainer.check_val_every_n_epoch=3"], "check_val_every_n_epoch=3 validates no epoch"),
])  # fmt: skip
def test_settings_that_need_more_validations_are_refused(
    tmp_path: Path, made_csv: Path, settings: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_small(tmp_path, made_csv, *settings)


def test_time_limit_ends_a_run_after_a_complete_epoch(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def elapsed(*_: object) -> float:
        calls.append(1)
        return 1e9 if len(calls) > STEPS + 3 else 0

    monkeypatch.setattr(Timer, "time_elapsed", elapsed)
    checkpoint = train_small(tmp_path, made_csv, "+trainer.max_time=00:01:00:00", "trainer.max_epochs=4")
    assert (checkpoint["epoch"], checkpoint["global_step"]) == (1, 2 * STEPS)
    assert read_metrics_json(tmp_path)["epochs"] == len(history(tmp_path)) == 2


EARLY_STOPPING = "_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val/error, divergence_threshold: -1"


@pytest.mark.parametrize("settings", [
    ["trainer.callbacks=[{_target_: halfway.Stop}]"],
    slow(["+trainer.val_check_interval=3", f"trainer.callbacks=[{{{EARLY_STOPPING}}}]"]),
])  # fmt: skip
def test_callback_ends_a_run_after_a_complete_epoch(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str]
) -> None:
    (tmp_path / "halfway.py").write_text(HALFWAY)
    allow_targets(tmp_path, monkeypatch, "halfway")
    checkpoint = train_small(tmp_path / "run", made_csv, *settings, "trainer.max_epochs=4")
    epochs = read_metrics_json(tmp_path / "run")["epochs"]
    assert epochs < 4
    assert checkpoint["global_step"] == epochs * STEPS


@pytest.mark.parametrize(("steps", "epochs"), [(STEPS + 3, 1), slow(3, 0), slow(2 * STEPS, 2)])
def test_epoch_that_ends_early_is_not_counted(
    tmp_path: Path, made_csv: Path, caplog: pytest.LogCaptureFixture, steps: int, epochs: int
) -> None:
    caplog.set_level("INFO")
    train_small(tmp_path, made_csv, f"+trainer.max_steps={steps}", "schedule=constant", "trainer.max_epochs=4")
    metrics = read_metrics_json(tmp_path)
    assert metrics["epochs"] == epochs
    images = metrics["images_per_second"] * history(tmp_path)["seconds"].sum()
    assert images == pytest.approx(100 * steps / STEPS)
    assert ("3 of 7 batches" in caplog.text) == (steps % STEPS == 3)


@pytest.mark.slow
def test_epoch_that_a_callback_skips_is_not_counted(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "halfway.py").write_text(HALFWAY)
    allow_targets(tmp_path, monkeypatch, "halfway")
    train_small(tmp_path / "run", made_csv, "trainer.callbacks=[{_target_: halfway.Skip}]", "schedule=constant")
    metrics = read_metrics_json(tmp_path / "run")
    assert metrics["epochs"] == 1
    seconds = history(tmp_path / "run")["seconds"].sum()
    assert metrics["images_per_second"] * seconds == pytest.approx(100 + 100 * 3 / STEPS)

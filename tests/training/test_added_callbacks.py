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

from digits.data.sources import csv
from digits.errors import InputError
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
    images, labels = csv(str(made_csv)).train
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
    images, labels = csv(str(made_csv)).train
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


CHECKPOINT = "_target_: lightning.pytorch.callbacks.ModelCheckpoint"
FALLING = ["schedule=constant", "optimizer.lr=0.0005", "trainer.max_epochs=4"]


def added_checkpoints(folder: Path) -> list[str]:
    """The checkpoints that the run does not write itself."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.ckpt") if path.stem not in ("last", "best"))


@pytest.mark.parametrize(("settings", "expected"), [
    ("save_top_k: 1", ["epoch=3-step=28.ckpt"]),
    slow("save_top_k: 1, monitor: val/error", None),
    ("save_top_k: 2, monitor: epoch, mode: max", ["epoch=2-step=21.ckpt", "epoch=3-step=28.ckpt"]),
    slow("every_n_train_steps: 3", ["epoch=3-step=27.ckpt"]),
    slow("save_top_k: 1, save_last: true, monitor: epoch, mode: max",
         ["epoch=3-step=28.ckpt", "last_of_callback.ckpt"]),
    slow("save_last: link, every_n_train_steps: 3", ["epoch=3-step=27.ckpt", "last_of_callback.ckpt"]),
    slow("save_top_k: -1", [f"epoch={epoch}-step={7 * (epoch + 1)}.ckpt" for epoch in range(4)]),
])  # fmt: skip
@pytest.mark.parametrize("place", ["run", slow("elsewhere")])
def test_added_checkpoints_are_kept_and_deleted_as_configured(  # noqa: PLR0913
    tmp_path: Path,
    made_csv: Path,
    small_run: SmallRun,
    monkeypatch: pytest.MonkeyPatch,
    settings: str,
    expected: list[str] | None,
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run" / "checkpoints"
    dirpath = ""
    if place == "elsewhere":
        folder, dirpath = tmp_path / "elsewhere", f", dirpath: {tmp_path / 'elsewhere'}"
    added = f"trainer.callbacks=[{{{CHECKPOINT}, {settings}{dirpath}}}]"
    checkpoint = train_small(tmp_path / "run", made_csv, *FALLING, added)
    assert_same_weights(checkpoint, last_checkpoint(small_run(*FALLING)))
    found = [name for name in added_checkpoints(folder) if place == "run" or not name.startswith("last")]
    if expected is None:
        assert len(found) == 1
    elif place == "run":
        assert found == expected
    else:
        assert found == [name for name in expected if not name.startswith("last")]
    assert {path.name for path in tmp_path.iterdir()} <= {"run", place}
    for path in folder.rglob("*.ckpt"):
        assert path.exists()  # a link leads to a file
        read_checkpoint(path)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["weights=last", "weights=best"])
def test_added_checkpoint_of_the_best_epoch(tmp_path: Path, made_csv: Path, weights: str) -> None:
    """It has the same settings as the run's own."""
    added = f"trainer.callbacks=[{{{CHECKPOINT}, monitor: val/error, filename: '{{epoch}}-{{val/error:.2f}}'}}]"
    train_small(tmp_path, made_csv, *FALLING, added, weights)
    best = pd.read_csv(tmp_path / "history.csv")["val/error"].idxmin()
    [name] = added_checkpoints(tmp_path / "checkpoints")
    assert name.startswith(f"epoch={best}-val/error=0.")


def test_resumed_run_deletes_the_checkpoints_of_its_first_part(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = f"trainer.callbacks=[{{{CHECKPOINT}, monitor: epoch, mode: max, dirpath: {tmp_path / 'top'}}}]"
    interrupt(monkeypatch, "on_train_epoch_start", 2, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "run", made_csv, *FALLING, added)
    monkeypatch.undo()
    train_small(tmp_path / "run", made_csv, *FALLING, added, f"resume={tmp_path}/run/checkpoints/last.ckpt")
    assert added_checkpoints(tmp_path / "top") == ["epoch=3-step=28.ckpt"]


@pytest.mark.slow
def test_temporary_checkpoint_of_a_callback_is_removed(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the callbacks that try batch sizes and learning rates do."""
    (tmp_path / "temporary.py").write_text("""
from lightning.pytorch import Callback

class Temporary(Callback):
    def on_train_start(self, trainer, module):
        trainer.save_checkpoint("temporary.tmp")
        trainer.strategy.remove_checkpoint("temporary.tmp")
""")
    allow_targets(tmp_path, monkeypatch, "temporary")
    monkeypatch.chdir(tmp_path)
    train_small(tmp_path / "run", made_csv, "trainer.callbacks=[{_target_: temporary.Temporary}]")
    assert not (tmp_path / "temporary.tmp").exists()


@pytest.mark.parametrize("name", ["last", "best"])
def test_added_checkpoint_cannot_replace_that_of_the_run(tmp_path: Path, made_csv: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"cannot write {name}.ckpt, which the run writes"):
        train_small(tmp_path, made_csv, f"trainer.callbacks=[{{{CHECKPOINT}, filename: {name}}}]")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "trainer.callbacks=[{_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: nope}]",
            "`nope`.*val/error",
        ),
        (
            "trainer.callbacks=[{_target_: lightning.pytorch.callbacks.ModelCheckpoint, monitor: nope, save_top_k: 2}]",
            "'nope'.*val/error",
        ),
        ("+trainer.val_check_interval=1000", "val_check_interval"),
        ("+trainer.max_steps=0", "no weights to evaluate"),
    ],
)
def test_what_lightning_refuses_in_a_fit_is_one_line(
    tmp_path: Path, made_csv: Path, setting: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_small(tmp_path / "run", made_csv, "schedule=constant", setting)

"""Properties of whole runs."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers import SMALL, config

from digits.data.kaggle_csv import read_csv
from digits.data.sources import Digits
from digits.errors import InputError
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.runs.checkpoint import read_checkpoint
from digits.training.module import DigitsModule
from digits.training.train import ema_update, train


def run(folder: Path, csv: Path, *overrides: str) -> dict[str, Any]:
    """Trains on made digits with small settings; returns the checkpoint."""
    folder.mkdir(exist_ok=True)
    settings = [
        *SMALL,
        "data=csv",
        f"data.train_csv={csv}",
        "data.val_size=20",
        "model=dropout_cnn",
        *overrides,
    ]
    train(config(*settings), folder)
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")


def metrics(folder: Path) -> dict[str, Any]:
    left: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return left


def assert_same_weights(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, weights in one["state_dict"].items():
        assert torch.equal(weights, other["state_dict"][name]), name


class PowerCutError(Exception):
    """Between two epochs."""


def interrupt_epoch(number: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the training raise at the start of that epoch, counted from 0."""

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
    whole = run(tmp_path / "whole", made_csv, *settings)
    with monkeypatch.context() as patch:
        interrupt_epoch(2, PowerCutError(), patch)
        with pytest.raises(PowerCutError):
            run(tmp_path / "halves", made_csv, *settings)
    last = tmp_path / "halves" / "checkpoints" / "last.ckpt"
    assert len(pd.read_csv(tmp_path / "halves" / "history.csv")) == 2

    resumed = run(tmp_path / "halves", made_csv, *settings, f"resume={last}")

    assert_same_weights(resumed, whole)
    one, other = (pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds") for name in ("whole", "halves"))
    pd.testing.assert_frame_equal(one, other)
    assert metrics(tmp_path / "whole")["val"] == metrics(tmp_path / "halves")["val"]


def test_same_seed_same_weights(tmp_path: Path, made_csv: Path) -> None:
    weights = [run(tmp_path / str(index), made_csv, f"seed={seed}") for index, seed in enumerate((7, 7, 8))]
    assert_same_weights(weights[0], weights[1])
    with pytest.raises(AssertionError):
        assert_same_weights(weights[0], weights[2])


def test_run_leaves_what_is_promised(tmp_path: Path, made_csv: Path) -> None:
    run(tmp_path, made_csv, f"data.test_csv={made_csv}", "seed=5")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        ".lock",
        "metrics.json",
        "history.csv",
        "checkpoints/last.ckpt",
        "plots/curves.png",
        "plots/confusion.png",
        "plots/mistakes.png",
    }
    left = metrics(tmp_path)
    assert left["status"] == "completed"
    assert (left["seed"], left["model"], left["parameters"]) == (5, "dropout_cnn", 233_162)
    assert (left["epochs"], left["precision"], left["checkpoint"]) == (2, "32-true", "checkpoints/last.ckpt")
    assert left["seconds"].keys() >= {"fit", "test"}
    assert left["images_per_second"] > 0
    assert left["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert (left["val"]["total"], left["test"]["total"]) == (20, 120)
    for stage in ("val", "test"):
        score = left[stage]
        assert score["error"] == score["errors"] / score["total"]
        assert score["low"] <= score["error"] <= score["high"]
    history = pd.read_csv(tmp_path / "history.csv")
    columns = ["epoch", "train/error", "train/loss", "val/error", "val/loss", "lr", "seconds"]
    assert list(history.columns) == columns
    assert history["val/error"].iloc[-1] == left["val"]["error"]


def test_learns(tmp_path: Path, made_csv: Path) -> None:
    settings = [
        "model=larger_cnn",
        "augment=none",
        "schedule=constant",
        "optimizer=adam",
        "trainer.max_epochs=10",
    ]
    run(tmp_path, made_csv, *settings)
    assert metrics(tmp_path)["val"]["error"] <= 0.1


@pytest.mark.parametrize(
    "weights", [["weights=last"], ["weights=last", "ema=0.8"], ["weights=best"], ["weights=best", "ema=0.8"]]
)
def test_checkpoint_holds_the_network_that_was_scored(tmp_path: Path, made_csv: Path, weights: list[str]) -> None:
    run(tmp_path, made_csv, *weights, f"data.test_csv={made_csv}", "model=compact_cnn", "trainer.max_epochs=3")
    left = metrics(tmp_path)
    checkpoint = read_checkpoint(tmp_path / left["checkpoint"])
    network = build_network(**checkpoint["digits"]["config"]["model"]).eval()
    network.load_state_dict(
        {name.removeprefix("network."): value for name, value in checkpoint["state_dict"].items() if "network." in name}
    )
    images, labels = read_csv(made_csv)
    assert labels is not None
    with torch.no_grad():
        logits = network(scale_images(images))
    assert int((logits.argmax(1) != labels).sum()) == left["test"]["errors"]
    assert F.cross_entropy(logits, labels).item() == pytest.approx(left["test"]["loss"], rel=1e-5)
    if weights[0] == "weights=best":
        assert left["val"]["error"] == pd.read_csv(tmp_path / "history.csv")["val/error"].min()


def test_test_set_is_read_once_at_the_end(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    step = DigitsModule.test_step

    def count(self: DigitsModule, batch: Digits, batch_idx: int) -> None:
        seen.append((self.trainer.current_epoch, len(batch.labels)))
        step(self, batch, batch_idx)

    monkeypatch.setattr(DigitsModule, "test_step", count)
    run(tmp_path, made_csv, f"data.test_csv={made_csv}")
    assert {epoch for epoch, _ in seen} == {2}
    assert sum(total for _, total in seen) == 120


def test_without_validation_there_is_nothing_to_steer_by(tmp_path: Path, made_csv: Path) -> None:
    settings = [
        *SMALL,
        "data=csv",
        f"data.train_csv={made_csv}",
        f"data.test_csv={made_csv}",
        "data.val_size=0",
    ]
    assert train(config(*settings, "model=larger_cnn"), tmp_path) is None
    assert "val" not in metrics(tmp_path)
    assert metrics(tmp_path)["test"]["total"] == 120


def test_returns_the_validation_error(tmp_path: Path, made_csv: Path) -> None:
    settings = [
        *SMALL,
        "data=csv",
        f"data.train_csv={made_csv}",
        "data.folds=4",
        "data.fold=2",
        "model=larger_cnn",
    ]
    assert train(config(*settings), tmp_path) == metrics(tmp_path)["val"]["error"]
    assert metrics(tmp_path)["val"]["total"] == 30


def test_divergence_is_a_clear_failure(tmp_path: Path, made_csv: Path) -> None:
    with pytest.raises(InputError, match="training diverged: the loss is nan in epoch 1; a lower optimizer.lr"):
        run(tmp_path, made_csv, "optimizer=sgd", "optimizer.lr=1e30", "schedule=constant")
    assert metrics(tmp_path)["status"] == "failed"
    assert "diverged" in metrics(tmp_path)["reason"]
    assert not (tmp_path / "checkpoints").exists()


def test_interrupted_run_says_so_and_keeps_its_last_checkpoint(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    interrupt_epoch(1, KeyboardInterrupt(), monkeypatch)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit):
        run(tmp_path, made_csv)
    signal.signal(signal.SIGINT, handler)
    left = metrics(tmp_path)
    assert (left["status"], left["epochs"], left["checkpoint"]) == ("interrupted", 1, "checkpoints/last.ckpt")
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["epoch"] == 0
    assert f"resume={os.path.relpath(tmp_path)}/checkpoints/last.ckpt" in caplog.text


def test_finished_run_is_never_overwritten(tmp_path: Path, made_csv: Path) -> None:
    run(tmp_path, made_csv)
    before = metrics(tmp_path)
    with pytest.raises(InputError, match="holds a finished run"):
        run(tmp_path, made_csv, "seed=1")
    assert metrics(tmp_path) == before


def test_resume_refuses_what_is_no_checkpoint(tmp_path: Path, made_csv: Path) -> None:
    run(tmp_path / "one", made_csv)
    last = tmp_path / "one" / "checkpoints" / "last.ckpt"
    cut, foreign, newer = (tmp_path / f"{name}.ckpt" for name in ("cut", "foreign", "newer"))
    cut.write_bytes(last.read_bytes()[:1000])
    torch.save({"state_dict": {}}, foreign)
    torch.save(read_checkpoint(last) | {"digits": {"format": 99}}, newer)
    for path, message in {
        tmp_path / "nowhere.ckpt": "no such checkpoint",
        tmp_path / "one" / "history.csv": "damaged, or not a checkpoint",
        tmp_path / "one" / "metrics.json": "damaged, or not a checkpoint",
        cut: "damaged, or not a checkpoint",
        foreign: "not a checkpoint of this project",
        newer: "format 99, but this version of digits reads format 1",
    }.items():
        with pytest.raises(InputError, match=f"{path.name}: {message}"):
            run(tmp_path / "two", made_csv, f"resume={path}")


def test_resume_refuses_settings_that_would_change_the_outcome(tmp_path: Path, made_csv: Path) -> None:
    run(tmp_path / "one", made_csv)
    last = tmp_path / "one" / "checkpoints" / "last.ckpt"
    for setting, message in {
        "model=larger_cnn": "model.name was dropout_cnn, now larger_cnn",
        "optimizer=sgd": "optimizer._target_ was torch.optim.AdamW, now torch.optim.SGD",
        "schedule=cosine": "schedule._target_ was digits.schedules.onecycle, now digits.schedules.cosine",
        "trainer.max_epochs=9": "trainer.max_epochs was 2, now 9",
        "data.batch_size=9": "data.batch_size was 16, now 9",
        "seed=9": "seed was 0, now 9",
        "trainer.devices=2": "trainer.devices was 1, now 2",
        "weights=best": "weights=best looks among all epochs",
    }.items():
        with pytest.raises(InputError, match=message):
            run(tmp_path / "two", made_csv, setting, f"resume={last}")


def test_resume_in_another_folder(tmp_path: Path, made_csv: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With more epochs, where no schedule minds; and with none left, it is the same network that is scored."""
    run(tmp_path / "one", made_csv, "schedule=constant", "ema=0.8")
    last = tmp_path / "one" / "checkpoints" / "last.ckpt"
    longer = run(tmp_path / "two", made_csv, "schedule=constant", "ema=0.8", "trainer.max_epochs=3", f"resume={last}")
    assert "resumed with another setting: trainer.max_epochs was 2, now 3" in caplog.text
    assert longer["epoch"] == 2
    assert len(pd.read_csv(tmp_path / "two" / "history.csv")) == 3

    same = run(tmp_path / "three", made_csv, "schedule=constant", "ema=0.8", f"resume={last}")
    assert_same_weights(same, read_checkpoint(last))
    assert metrics(tmp_path / "three")["val"] == metrics(tmp_path / "one")["val"]

    with pytest.raises(InputError, match="trainer.max_epochs was 2, now 1"):
        run(tmp_path / "four", made_csv, "schedule=constant", "ema=0.8", "trainer.max_epochs=1", f"resume={last}")


def test_ema_averages_and_its_average_is_kept(tmp_path: Path, made_csv: Path) -> None:
    kept = run(tmp_path, made_csv, "ema=0.8")
    raw = kept["current_model_state"]
    assert not any(torch.equal(raw[name], weights) for name, weights in kept["state_dict"].items() if "weight" in name)


def test_ema_of_a_short_training_is_not_its_beginning() -> None:
    average = torch.zeros(1)
    for count in range(1, 640):
        average = ema_update(0.999, average, torch.ones(1), count)
    assert average > 0.99


def test_configured_augmentation_and_smoothing_are_used(tmp_path: Path, made_csv: Path) -> None:
    weights = [
        run(tmp_path / str(index), made_csv, *settings)
        for index, settings in enumerate(
            (["augment=none"], ["augment=affine"], ["augment=none", "label_smoothing=0.3"])
        )
    ]
    for other in weights[1:]:
        with pytest.raises(AssertionError):
            assert_same_weights(weights[0], other)


def test_all_digits_to_train_on_and_none_to_score(tmp_path: Path, made_csv: Path) -> None:
    run(tmp_path, made_csv, "data.val_size=0")
    left = metrics(tmp_path)
    assert left["status"] == "completed"
    assert not {"val", "test"} & left.keys()
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["curves.png"]


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": {}, "digits": {"format": 1, "config": Evil()}}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match="damaged, or not a checkpoint"):
        read_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    {
        "data.batch_size=0": "data.batch_size=0: must be a whole number, at least 1",
        "data.batch_size=ten": "data.batch_size=ten: must be a whole number",
        "trainer.max_epochs=0": "trainer.max_epochs=0: must be a whole number, at least 1",
        "seed=-1": "seed=-1: must be a whole number from 0",
        "ema=1": "ema=1: must be null, or a decay between 0 and 1",
        "label_smoothing=1": "label_smoothing=1: must be a number from 0 to below 1",
        "weights=first": "weights=first: must be last or best",
        "data.val_size=120": "data.val_size=120: must be a count from 0 to 119",
        "data.val_size=many": "data.val_size=many: must be a count",
        "data.train_csv=3": "data.train_csv=3: must be a path",
        "data.train_csv=???": "data.train_csv is needed and not given",
        "optimizer.lr=-1": "optimizer.lr=-1: must be a number above 0",
        "optimizer.lr=fast": "optimizer.lr=fast: must be a number above 0",
        "optimizer.weight_decay=-1": "Invalid weight_decay value: -1",
        "+model.width=2": r"model: dropout_cnn\(\) got an unexpected keyword argument 'width'",
        "+data.rot=x": "data: got an unexpected keyword argument 'rot'",
        "+optimizer.speed=1": "unexpected keyword argument 'speed'",
        "schedule.warmup=2": "Expected float between 0 and 1 pct_start",
        "trainer.accelerator=abacus": "trainer: You selected an invalid accelerator name",
        "trainer.precision=bf16-true": "trainer.precision=bf16-true: must be one of auto, 32-true",
        "data.val_size=-1": "data.val_size=-1: must be a count",
    }.items(),
)
def test_bad_setting_is_one_clear_line(tmp_path: Path, made_csv: Path, setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        run(tmp_path, made_csv, setting)
    assert "\n" not in str(raised.value)
    assert metrics(tmp_path)["status"] == "failed"


def test_missing_extra_is_named(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)
    with pytest.raises(InputError, match=r"pip install -e '\.\[tensorboard,wandb,mlflow\]'"):
        run(tmp_path, made_csv, "logger=wandb")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_gpu_is_not_taken_for_granted(tmp_path: Path, made_csv: Path) -> None:
    with pytest.raises(InputError, match="trainer: No supported gpu backend found"):
        run(tmp_path, made_csv, "trainer.accelerator=gpu")


@pytest.mark.parametrize("setting", ["schedule=plateau", "weights=best"])
def test_what_needs_validation_asks_for_it(tmp_path: Path, made_csv: Path, setting: str) -> None:
    with pytest.raises(InputError, match=r"validation error, but data\.val_size=0"):
        run(tmp_path, made_csv, setting, "data.val_size=0")


def test_tensorboard_is_written_into_the_run(tmp_path: Path, made_csv: Path) -> None:
    run(tmp_path, made_csv, "logger=tensorboard")
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_gradients_can_be_clipped_in_every_precision(tmp_path: Path, made_csv: Path) -> None:
    settings = ["optimizer=adam", "trainer.max_epochs=1", "trainer.precision=bf16-mixed"]
    run(tmp_path, made_csv, *settings, "+trainer.gradient_clip_val=0.5")
    assert metrics(tmp_path)["status"] == "completed"
    assert metrics(tmp_path)["config"]["optimizer"]["fused"] is False

"""Properties of whole runs."""

from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers import assert_same_weights, config, read_metrics_json, train_small

from digits.data.kaggle_csv import read_csv
from digits.data.sources import Digits
from digits.errors import InputError
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.runs.checkpoint import read_checkpoint
from digits.training.module import DigitsModule
from digits.training.train import train
from digits.training.trainer import ema_update


def test_same_seed_gives_the_same_weights(tmp_path: Path, made_csv: Path) -> None:
    weights = [train_small(tmp_path / str(index), made_csv, f"seed={seed}") for index, seed in enumerate((7, 7, 8))]
    assert_same_weights(weights[0], weights[1])
    with pytest.raises(AssertionError):
        assert_same_weights(weights[0], weights[2])


def test_folder_of_a_run(tmp_path: Path, made_csv: Path) -> None:
    train_small(tmp_path, made_csv, f"data.test_csv={made_csv}", "seed=5")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        ".lock",
        "metrics.json",
        "history.csv",
        "checkpoints/last.ckpt",
        "plots/curves.png",
        "plots/confusion.png",
        "plots/mistakes.png",
    }
    metrics = read_metrics_json(tmp_path)
    assert metrics["status"] == "completed"
    assert (metrics["seed"], metrics["model"], metrics["parameters"]) == (5, "dropout_cnn", 233_162)
    assert (metrics["epochs"], metrics["precision"], metrics["checkpoint"]) == (2, "32-true", "checkpoints/last.ckpt")
    assert metrics["seconds"].keys() >= {"fit", "test"}
    assert metrics["images_per_second"] > 0
    assert metrics["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert (metrics["val"]["total"], metrics["test"]["total"]) == (20, 120)
    for stage in ("val", "test"):
        score = metrics[stage]
        assert score["error"] == score["errors"] / score["total"]
        assert score["low"] <= score["error"] <= score["high"]
    history = pd.read_csv(tmp_path / "history.csv")
    assert list(history.columns) == ["epoch", "train/error", "train/loss", "val/error", "val/loss", "lr", "seconds"]
    assert history["val/error"].iloc[-1] == metrics["val"]["error"]


def test_learns(tmp_path: Path, made_csv: Path) -> None:
    settings = ["model=larger_cnn", "augment=none", "schedule=constant", "optimizer=adam", "trainer.max_epochs=10"]
    train_small(tmp_path, made_csv, *settings)
    assert read_metrics_json(tmp_path)["val"]["error"] <= 0.1


@pytest.mark.parametrize(
    "weights", [["weights=last"], ["weights=last", "ema=0.8"], ["weights=best"], ["weights=best", "ema=0.8"]]
)
def test_checkpoint_holds_the_network_that_was_scored(tmp_path: Path, made_csv: Path, weights: list[str]) -> None:
    train_small(tmp_path, made_csv, *weights, f"data.test_csv={made_csv}", "model=compact_cnn", "trainer.max_epochs=3")
    metrics = read_metrics_json(tmp_path)
    checkpoint = read_checkpoint(tmp_path / metrics["checkpoint"])
    assert checkpoint["digits"]["temperature"] == metrics["calibration"]["temperature"]
    network = build_network(**checkpoint["digits"]["config"]["model"]).eval()
    network.load_state_dict(
        {name.removeprefix("network."): value for name, value in checkpoint["state_dict"].items() if "network." in name}
    )
    images, labels = read_csv(made_csv)
    assert labels is not None
    with torch.no_grad():
        logits = network(scale_images(images))
    assert int((logits.argmax(1) != labels).sum()) == metrics["test"]["errors"]
    assert F.cross_entropy(logits, labels).item() == pytest.approx(metrics["test"]["loss"], rel=1e-5)
    if weights[0] == "weights=best":
        assert metrics["val"]["error"] == pd.read_csv(tmp_path / "history.csv")["val/error"].min()


def test_each_epoch_is_written_once(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda content, path: written.append(content["epoch"]) or save(content, path))  # type: ignore[func-returns-value]
    train_small(tmp_path, made_csv, "trainer.max_epochs=3")
    assert written == [0, 1, 2]


def test_test_set_is_read_once_with_the_final_weights(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[tuple[int, int]] = []
    step = DigitsModule.test_step

    def count(self: DigitsModule, batch: Digits, batch_idx: int) -> torch.Tensor:
        batches.append((self.trainer.current_epoch, len(batch.labels)))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(DigitsModule, "test_step", count)
    train_small(tmp_path, made_csv, f"data.test_csv={made_csv}")
    assert {epoch for epoch, _ in batches} == {2}
    assert sum(total for _, total in batches) == 120


def test_returns_the_validation_error(tmp_path: Path, made_csv: Path) -> None:
    settings = ["trainer=cpu", "trainer.max_epochs=1", "data=csv", f"data.train_csv={made_csv}", "model=larger_cnn"]
    error = train(config(*settings, "data.folds=4", "data.fold=2"), tmp_path / "folds")
    metrics = read_metrics_json(tmp_path / "folds")
    assert error == metrics["val"]["error"]
    assert metrics["val"]["total"] == 30
    assert train(config(*settings, "data.val_size=0"), tmp_path / "none") is None


def test_run_without_validation_and_test_digits(tmp_path: Path, made_csv: Path) -> None:
    train_small(tmp_path, made_csv, "data.val_size=0")
    metrics = read_metrics_json(tmp_path)
    assert metrics["status"] == "completed"
    assert not {"val", "test", "calibration"} & metrics.keys()
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["curves.png"]


def test_divergence_is_a_clear_failure(tmp_path: Path, made_csv: Path) -> None:
    with pytest.raises(InputError, match=r"diverged.*nan in epoch 1.*optimizer\.lr"):
        train_small(tmp_path, made_csv, "optimizer=sgd", "optimizer.lr=1e30", "schedule=constant")
    metrics = read_metrics_json(tmp_path)
    assert metrics["status"] == "failed"
    assert "diverged" in metrics["reason"]
    assert not (tmp_path / "checkpoints").exists()


def test_finished_run_is_never_overwritten(tmp_path: Path, made_csv: Path) -> None:
    train_small(tmp_path, made_csv)
    before = read_metrics_json(tmp_path)
    with pytest.raises(InputError, match="holds a finished run"):
        train_small(tmp_path, made_csv, "seed=1")
    assert read_metrics_json(tmp_path) == before


def test_ema_weights_are_saved_beside_the_current_ones(tmp_path: Path, made_csv: Path) -> None:
    checkpoint = train_small(tmp_path, made_csv, "ema=0.8")
    current = checkpoint["current_model_state"]
    averaged = {name: weights for name, weights in checkpoint["state_dict"].items() if "weight" in name}
    assert not any(torch.equal(current[name], weights) for name, weights in averaged.items())


def test_ema_of_a_short_training_forgets_the_initial_weights() -> None:
    average = torch.zeros(1)
    for count in range(1, 640):
        average = ema_update(0.999, average, torch.ones(1), count)
    assert average > 0.99


def test_augmentation_and_label_smoothing_change_the_weights(tmp_path: Path, made_csv: Path) -> None:
    weights = [
        train_small(tmp_path / str(index), made_csv, *settings)
        for index, settings in enumerate(
            (["augment=none"], ["augment=affine"], ["augment=none", "label_smoothing=0.3"])
        )
    ]
    for other in weights[1:]:
        with pytest.raises(AssertionError):
            assert_same_weights(weights[0], other)


@pytest.mark.parametrize(
    ("setting", "message"),
    {
        "seed=-1": "seed=-1",
        "data.val_size=120": r"data\.val_size=120.* 0 to 119",
        "schedule=plateau data.val_size=0": r"schedule=plateau .*data\.val_size=0",
        "optimizer.weight_decay=-1": "Invalid weight_decay value: -1",
        "+model.width=2": "model: .*'width'",
        "+data.rot=x": "data: .*'rot'",
        "+optimizer.speed=1": "'speed'",
        "schedule.warmup=2": "pct_start",
        "trainer.accelerator=abacus": "trainer: .*invalid accelerator",
    }.items(),
)
def test_bad_setting_is_one_line_and_recorded(tmp_path: Path, made_csv: Path, setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        train_small(tmp_path, made_csv, *setting.split())
    assert "\n" not in str(raised.value)
    assert read_metrics_json(tmp_path)["status"] == "failed"


def test_missing_extra_is_named(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)
    with pytest.raises(InputError, match=r"pip install -e '\.\[tensorboard,wandb,mlflow\]'"):
        train_small(tmp_path, made_csv, "logger=wandb")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_missing_gpu_is_an_error(tmp_path: Path, made_csv: Path) -> None:
    with pytest.raises(InputError, match="trainer: .*gpu"):
        train_small(tmp_path, made_csv, "trainer.accelerator=gpu")


def test_tensorboard_writes_into_the_folder(tmp_path: Path, made_csv: Path) -> None:
    train_small(tmp_path, made_csv, "logger=tensorboard")
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_gradients_can_be_clipped_with_a_fused_optimizer(tmp_path: Path, made_csv: Path) -> None:
    settings = ["optimizer=adam", "trainer.max_epochs=1", "trainer.precision=bf16-mixed"]
    train_small(tmp_path, made_csv, *settings, "+trainer.gradient_clip_val=0.5")
    metrics = read_metrics_json(tmp_path)
    assert metrics["status"] == "completed"
    assert metrics["config"]["optimizer"]["fused"] is False

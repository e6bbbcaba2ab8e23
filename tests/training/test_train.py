"""Properties of complete runs."""

from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers import (
    SMALL,
    assert_same_weights,
    config,
    last_checkpoint,
    read_metrics_json,
    slow,
    train_small,
    trained_network,
)

from digits.data import sources
from digits.data.datamodule import DigitsDataModule
from digits.data.sources import csv
from digits.errors import InputError
from digits.evaluation.evaluate import Evaluation, Split, evaluate
from digits.models.layers import scale_images
from digits.prediction.classifier import load_classifier
from digits.runs.checkpoint import read_checkpoint
from digits.runs.job import TrainingJob
from digits.training.module import DigitsModule
from digits.training.train import train

SmallRun = Callable[..., Path]
WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


def test_same_seed_gives_the_same_weights(tmp_path: Path, made_csv: Path, small_run: SmallRun) -> None:
    assert_same_weights(train_small(tmp_path, made_csv), last_checkpoint(small_run()))


@pytest.mark.parametrize("setting", ["seed=8", "augment=none", "label_smoothing=0.3"])
def test_seed_augmentation_and_label_smoothing_change_the_weights(small_run: SmallRun, setting: str) -> None:
    with pytest.raises(AssertionError):
        assert_same_weights(last_checkpoint(small_run(setting)), last_checkpoint(small_run()))


@pytest.mark.usefixtures("drawn_figures")
def test_folder_of_a_run(tmp_path: Path, made_csv: Path) -> None:
    train_small(tmp_path, made_csv, f"data.test_csv={made_csv}", "seed=5")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        ".lock", "metrics.json", "history.csv", "mistakes.csv", "checkpoints/last.ckpt",
        "plots/curves.png", "plots/confusion.png", "plots/mistakes.png",
    }  # fmt: skip
    metrics = read_metrics_json(tmp_path)
    expected = {
        "status": "completed", "seed": 5, "model": "dropout_cnn", "parameters": 233_162, "epochs": 2,
        "precision": "32-true", "checkpoint": "checkpoints/last.ckpt",
    }  # fmt: skip
    assert {key: metrics[key] for key in expected} == expected
    assert metrics["seconds"].keys() >= {"fit", "test"}
    assert metrics["images_per_second"] > 0
    assert metrics["versions"]["torch"] == torch.__version__.partition("+")[0]
    for stage, total in (("val", 20), ("test", 120)):
        score = metrics[stage]
        assert score["total"] == total
        assert score["error"] == score["errors"] / total
        assert score["low"] <= score["error"] <= score["high"]
    history = pd.read_csv(tmp_path / "history.csv")
    assert list(history.columns) == ["epoch", "train/error", "train/loss", "val/error", "val/loss", "lr", "seconds"]
    assert history["val/error"].iloc[-1] == metrics["val"]["error"]


def test_mistakes_are_listed_with_their_positions_in_the_source(small_run: SmallRun, made_csv: Path) -> None:
    folder = small_run(f"data.test_csv={made_csv}", "augment=none")
    metrics, mistakes = read_metrics_json(folder), pd.read_csv(folder / "mistakes.csv")
    images, labels = csv(str(made_csv)).train
    with torch.no_grad():
        predicted = trained_network(last_checkpoint(folder))(scale_images(images)).argmax(1)
    wrong = set((predicted != labels).nonzero().flatten().tolist())
    by_split = {split: mistakes[mistakes["split"] == split] for split in ("val", "test")}
    assert set(by_split["test"]["index"]) == wrong
    assert len(by_split["val"]) == metrics["val"]["errors"]
    assert len(by_split["val"]) > 0
    assert set(by_split["val"]["index"]) <= wrong  # the same file is training and test set
    assert mistakes["label"].tolist() == [int(labels[index]) for index in mistakes["index"]]
    assert mistakes["predicted"].tolist() == [int(predicted[index]) for index in mistakes["index"]]


def test_folds_predict_each_digit_once(small_run: SmallRun, made_csv: Path) -> None:
    images, labels = csv(str(made_csv)).train
    indices = []
    for fold in range(2):
        folder = small_run("data.folds=2", f"data.fold={fold}", "test=false", f"data.test_csv={made_csv}")
        assert "test" not in read_metrics_json(folder)
        table = pd.read_csv(folder / "out_of_fold.csv")
        expected = load_classifier(folder, precision="32-true").predict(images[table["index"].to_list()])
        assert table[[f"p{digit}" for digit in range(10)]].to_numpy() == pytest.approx(expected, abs=1e-4)
        assert table["label"].tolist() == labels[table["index"].to_list()].tolist()
        indices += table["index"].tolist()
    assert sorted(indices) == list(range(len(labels)))


def test_limited_evaluation_lists_only_its_digits(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DigitsDataModule, "eval_batch_size", 16)
    train_small(tmp_path, made_csv, "data.folds=2", "+trainer.limit_val_batches=1")
    assert len(pd.read_csv(tmp_path / "out_of_fold.csv")) == read_metrics_json(tmp_path)["val"]["total"] == 15


def test_parts_of_mnists_test_set_are_scored(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = sources.csv
    monkeypatch.setattr(sources, "csv", wraps(read)(lambda **options: read(**options)._replace(is_mnist=True)))
    train_small(tmp_path, made_csv, f"data.test_csv={made_csv}")
    metrics = read_metrics_json(tmp_path)
    students = metrics["test_subsets"]["students"]
    assert (students["errors"], students["total"]) == (metrics["test"]["errors"], 120)


def test_precise_batch_norm_changes_only_the_statistics(small_run: SmallRun) -> None:
    plain, precise = (
        last_checkpoint(small_run("model=compact_cnn", f"precise_bn={value}"))["state_dict"]
        for value in ("false", "true")
    )
    changed = {name for name in plain if not torch.equal(plain[name], precise[name])}
    assert changed == {name for name in plain if name.endswith(("running_mean", "running_var", "batches_tracked"))}


def test_learns(small_run: SmallRun) -> None:
    settings = ["model=larger_cnn", "augment=none", "schedule=constant", "optimizer=adam", "trainer.max_epochs=10"]
    assert read_metrics_json(small_run(*settings))["val"]["error"] <= 0.1


@pytest.mark.parametrize("setting", ["ema=null", "ema=0.8", "precise_bn=true"])
@pytest.mark.parametrize("weights", [slow("weights=last"), "weights=best"])
def test_checkpoint_holds_the_network_that_was_scored(
    small_run: SmallRun, made_csv: Path, weights: str, setting: str
) -> None:
    folder = small_run(weights, setting, f"data.test_csv={made_csv}", "model=compact_cnn", "trainer.max_epochs=3")
    metrics = read_metrics_json(folder)
    checkpoint = read_checkpoint(folder / metrics["checkpoint"])
    assert checkpoint["digits"]["temperature"] == metrics["calibration"]["temperature"]
    images, labels = csv(str(made_csv)).train
    with torch.no_grad():
        logits = trained_network(checkpoint)(scale_images(images))
    assert int((logits.argmax(1) != labels).sum()) == metrics["test"]["errors"]
    assert F.cross_entropy(logits, labels).item() == pytest.approx(metrics["test"]["loss"], rel=1e-5)
    if weights == "weights=best" and setting != "precise_bn=true":  # which changes the network after its last epoch
        assert metrics["val"]["error"] == pd.read_csv(folder / "history.csv")["val/error"].min()
        assert "temperature" not in last_checkpoint(folder)["digits"]


def test_each_epoch_is_written_and_the_final_one_again_after_the_evaluation(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    save = torch.save

    def record(content: dict[str, Any], path: Any) -> None:
        written.append((content["epoch"], "temperature" in content["digits"]))
        save(content, path)

    monkeypatch.setattr(torch, "save", record)
    train_small(tmp_path, made_csv, "trainer.max_epochs=3")
    assert written == [(0, False), (1, False), (2, False), (2, True)]


def test_test_set_is_read_once_with_the_final_weights(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: list[int] = []
    tested: dict[str, Any] = {}

    def record(module: DigitsModule, split: Split, batch_size: int) -> Evaluation:
        totals.append(len(split.labels))
        tested["state_dict"] = deepcopy(module.state_dict())
        return evaluate(module, split, batch_size)

    monkeypatch.setattr("digits.training.final_evaluation.evaluate", record)
    checkpoint = train_small(tmp_path, made_csv, f"data.test_csv={made_csv}")
    assert totals == [20, 120]
    assert checkpoint["epoch"] == 1
    assert_same_weights(checkpoint, tested)


@pytest.mark.parametrize(("limit", "total"), [("0", None), ("1", 15), ("0.6", 60), ("1.0", 120)])
def test_limit_of_the_test_digits(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, limit: str, total: int | None
) -> None:
    monkeypatch.setattr(DigitsDataModule, "eval_batch_size", 16)
    train_small(tmp_path, made_csv, f"data.test_csv={made_csv}", f"+trainer.limit_test_batches={limit}")
    test = read_metrics_json(tmp_path).get("test")
    assert (test and test["total"]) == total


def test_limit_below_one_batch_is_refused(tmp_path: Path, made_csv: Path) -> None:
    with pytest.raises(InputError, match="trainer.limit_test_batches=0.1: less than one of 1 batches"):
        train_small(tmp_path, made_csv, f"data.test_csv={made_csv}", "+trainer.limit_test_batches=0.1")


@pytest.mark.parametrize(("settings", "total"), [(["data.folds=4", "data.fold=2"], 30), (["data.val_size=0"], None)])
def test_returns_the_validation_error(tmp_path: Path, made_csv: Path, settings: list[str], total: int | None) -> None:
    data = ["data=csv", f"data.train_csv={made_csv}", f"data.test_csv={made_csv}"]
    error = train(TrainingJob(config(*SMALL, *data, "model=larger_cnn", "trainer.max_epochs=1", *settings), tmp_path))
    metrics = read_metrics_json(tmp_path)
    val = metrics.get("val", {"error": None, "total": None})
    assert (error, total) == (val["error"], val["total"])
    assert metrics["test"]["total"] == 120


def test_run_without_validation_and_test_digits(small_run: SmallRun) -> None:
    folder = small_run("data.val_size=0")
    metrics = read_metrics_json(folder)
    assert metrics["status"] == "completed"
    assert not {"val", "test", "calibration"} & metrics.keys()
    assert [path.name for path in (folder / "plots").iterdir()] == ["curves.png"]


def test_finished_run_is_never_overwritten(made_csv: Path, small_run: SmallRun) -> None:
    before = read_metrics_json(small_run())
    with pytest.raises(InputError, match="holds a finished run"):
        train_small(small_run(), made_csv, "seed=1")
    assert read_metrics_json(small_run()) == before


def test_debug_run_is_one_batch_of_everything(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DigitsDataModule, "eval_batch_size", 16)
    test = f"data.test_csv={made_csv}"
    checkpoint = train_small(tmp_path, made_csv, "debug=true", "precise_bn=true", "model=compact_cnn", test)
    metrics = read_metrics_json(tmp_path)
    assert (metrics["status"], metrics["epochs"], checkpoint["global_step"]) == ("completed", 1, 1)
    assert (metrics["val"]["total"], metrics["test"]["total"]) == (10, 15)
    assert metrics["images_per_second"] * pd.read_csv(tmp_path / "history.csv")["seconds"][0] == pytest.approx(
        14, abs=1
    )
    files, usual = (
        {path.relative_to(folder) for path in folder.rglob("*")}
        for folder in (tmp_path, small_run(test, "augment=none"))
    )
    assert files == usual


def test_next_debug_run_replaces_all_files(tmp_path: Path, made_csv: Path) -> None:
    train_small(tmp_path, made_csv, "debug=true", "weights=best", "data.folds=2", f"data.test_csv={made_csv}")
    train_small(tmp_path, made_csv, "debug=true", "data.val_size=0", "seed=3")
    assert read_metrics_json(tmp_path)["seed"] == 3
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {".lock", "metrics.json", "history.csv", "mistakes.csv", "last.ckpt", "curves.png"}


def test_debug_run_never_overwrites_another_run(made_csv: Path, small_run: SmallRun) -> None:
    before = read_metrics_json(small_run())
    with pytest.raises(InputError, match="holds another run"):
        train_small(small_run(), made_csv, "debug=true")
    assert read_metrics_json(small_run()) == before


@pytest.mark.parametrize(("setting", "message"), [
    ("seed=-1", "seed=-1"),
    ("data.val_size=120", r"data\.val_size=120.* 0 to 119"),
    ("schedule=plateau data.val_size=0", r"schedule=plateau .*data\.val_size=0"),
    ("optimizer.weight_decay=-1", "Invalid weight_decay value: -1"),
    ("+model.width=2", "model: .*'width'"),
    ("+data.rot=x", "data: .*'rot'"),
    ("+optimizer.speed=1", r"optimizer\.speed: Muon has no such setting"),
    ("schedule.warmup=2", "pct_start"),
    ("trainer.accelerator=abacus", "trainer: .*invalid accelerator"),
    ("optimizer=sgd optimizer.lr=1e30 schedule=constant", r"diverged.*nan in epoch 1.*optimizer\.lr"),
    ("logger=wandb", r"pip install -e '\.\[wandb\]'"),
    pytest.param("trainer.accelerator=gpu", "trainer: .*gpu", marks=WITHOUT_GPU),
])  # fmt: skip
def test_failure_is_one_line_and_recorded(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, setting: str, message: str
) -> None:
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)  # its extra is not installed
    with pytest.raises(InputError, match=message) as raised:
        train_small(tmp_path, made_csv, *setting.split())
    assert "\n" not in str(raised.value)
    metrics = read_metrics_json(tmp_path)
    assert (metrics["status"], metrics["reason"]) == ("failed", str(raised.value))
    assert not (tmp_path / "checkpoints").exists()


def test_tensorboard_writes_into_the_folder(small_run: SmallRun) -> None:
    pytest.importorskip("tensorboard")
    assert list((small_run("logger=tensorboard", "trainer.max_epochs=1") / "tensorboard").glob("events*"))


def test_gradients_can_be_clipped_with_a_fused_optimizer(small_run: SmallRun) -> None:
    settings = ["optimizer=adam", "trainer.max_epochs=1", "trainer.precision=bf16-mixed"]
    metrics = read_metrics_json(small_run(*settings, "+trainer.gradient_clip_val=0.5"))
    assert metrics["status"] == "completed"
    assert metrics["config"]["optimizer"]["fused"] is True  # as composed, so that a sweep recognizes the run

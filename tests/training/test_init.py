"""init=: a run that starts from the weights of a checkpoint. freeze=: layers that keep them."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import (
    SMALL,
    PowerCutError,
    assert_same_weights,
    config,
    interrupt,
    last_checkpoint,
    made_digits,
    read_metrics_json,
    run_main,
    slow,
    train_small,
    trained_network,
)

from digits.errors import InputError
from digits.models.layers import scale_images
from digits.runs.checkpoint import read_checkpoint
from digits.runs.find_checkpoints import BUNDLED_PATH
from digits.settings import TrainSettings
from digits.training.build import build_module

SmallRun = Callable[..., Path]
MODEL = "model=compact_cnn"


def test_init_equals_weights_loaded_by_hand(small_run: SmallRun) -> None:
    folder = small_run(MODEL)
    module = build_module(TrainSettings.from_config(config(*SMALL, MODEL, f"init={folder}"))).eval()
    images, _ = made_digits(20)
    expected = trained_network(last_checkpoint(folder))(scale_images(images))
    assert torch.equal(module(images), expected)


def test_init_is_trained_further(small_run: SmallRun) -> None:
    folder = small_run(MODEL)
    continued = last_checkpoint(small_run(MODEL, f"init={folder}", "seed=1"))
    assert continued["epoch"] == last_checkpoint(folder)["epoch"]  # a new run, not a resumed one
    for name in ("network.0.weight", "network.1.running_mean"):
        assert not torch.equal(continued["state_dict"][name], last_checkpoint(folder)["state_dict"][name])


@pytest.mark.parametrize("added", [(), slow(("freeze=2",)), slow(("freeze=2", "ema=0.9"))])
def test_resumed_run_with_initial_weights_equals_an_uninterrupted_one(
    added: tuple[str, ...], tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [MODEL, f"init={small_run(MODEL)}", "seed=1", *added]
    uninterrupted = last_checkpoint(small_run(*settings))
    interrupt(monkeypatch, "on_train_epoch_start", 1, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "run", made_csv, *settings)
    monkeypatch.undo()
    resume = f"resume={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"
    assert_same_weights(train_small(tmp_path / "run", made_csv, *settings, resume), uninterrupted)


def test_run_is_not_resumed_with_another_file(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "start.ckpt"
    shutil.copy(small_run(MODEL) / "checkpoints" / "last.ckpt", start)
    interrupt(monkeypatch, "on_train_epoch_start", 1, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "run", made_csv, MODEL, f"init={start}")
    monkeypatch.undo()
    shutil.copy(small_run(MODEL, "seed=1") / "checkpoints" / "last.ckpt", start)
    resume = f"resume={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"
    with pytest.raises(InputError, match=r"init: the run started with .*start\.ckpt; resume with the same files"):
        train_small(tmp_path / "run", made_csv, MODEL, f"init={start}", resume)


def test_run_is_not_resumed_with_initial_weights_that_it_had_not(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, "on_train_epoch_start", 1, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path, made_csv, MODEL)
    monkeypatch.undo()
    with pytest.raises(InputError, match="init was None, now bundled"):
        train_small(tmp_path, made_csv, MODEL, "init=bundled", f"resume={tmp_path / 'checkpoints' / 'last.ckpt'}")


def test_metrics_identify_the_checkpoint(small_run: SmallRun) -> None:
    folder = small_run(MODEL)
    path = folder / "checkpoints" / "last.ckpt"
    metrics = read_metrics_json(small_run(MODEL, f"init={folder}", "seed=1"))
    assert metrics["init"] == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}
    assert metrics["trained_parameters"] == metrics["parameters"]
    assert metrics["fingerprint"]["settings"] != read_metrics_json(small_run(MODEL))["fingerprint"]["settings"]


@pytest.mark.parametrize(
    "added", [(), ("ema=0.9",), slow(("optimizer=sgd",)), slow(("teacher=bundled", "teacher_weight=0.5"))]
)
def test_frozen_layers_stay_bit_by_bit(added: tuple[str, ...], small_run: SmallRun) -> None:
    start = read_checkpoint(BUNDLED_PATH)["state_dict"]
    folder = small_run(MODEL, "init=bundled", "freeze=2", "optimizer.weight_decay=0.1", *added)
    trained = last_checkpoint(folder)["state_dict"]
    for name, values in start.items():
        _, layer, part = name.split(".")
        is_statistic = part in ("running_mean", "running_var", "num_batches_tracked")
        is_frozen = int(layer) < 5 or is_statistic  # two convolutions, each with its normalization
        assert torch.equal(trained[name].to(values.dtype), values) == is_frozen, name
    metrics = read_metrics_json(folder)
    frozen = 32 * 9 + 2 * 32 + 32 * 32 * 9 + 2 * 32
    assert metrics["parameters"] - metrics["trained_parameters"] == frozen


def test_frozen_layers_are_the_first_of_any_network(small_run: SmallRun) -> None:
    folder = small_run("model=mlp")
    trained = last_checkpoint(small_run("model=mlp", f"init={folder}", "freeze=1", "seed=1"))["state_dict"]
    start = last_checkpoint(folder)["state_dict"]
    same = {name for name, values in start.items() if torch.equal(trained[name], values)}
    assert same == {"network.1.weight", "network.1.bias"}


@pytest.mark.parametrize(("val_size", "is_fitted"), [(100, True), (20, False), (0, False)])
def test_temperature_is_fitted_anew_with_enough_validation_digits(
    val_size: int, is_fitted: bool, small_run: SmallRun
) -> None:
    folder = small_run(MODEL, "init=bundled", "freeze=6", f"data.val_size={val_size}")
    temperature = last_checkpoint(folder)["digits"]["temperature"]
    assert read_metrics_json(folder)["calibration"]["temperature"] == temperature
    assert (temperature != read_checkpoint(BUNDLED_PATH)["digits"]["temperature"]) == is_fitted


@pytest.mark.parametrize(("settings", "message"), [
    (["init=bundled", "model=mlp"], "init=bundled holds the network compact_cnn, but this run has mlp"),
    (["init=missing.ckpt"], "init=missing.ckpt: no such checkpoint"),
    (["init=model.onnx"], "init=model.onnx: an ONNX model cannot be trained"),
    (["init=true"], "init=true: must be a path"),
    ([MODEL, "init=bundled", "freeze=7"], "freeze=7: the network has 7 layers with weights; choose 0 to 6"),
    ([MODEL, "init=bundled", "freeze=-1"], "freeze=-1: must be null, or a number of layers"),
    ([MODEL, "init=bundled", "freeze=1.5"], "freeze=1.5: must be null, or a number of layers"),
    ([MODEL, "init=bundled", "freeze=0", "precise_bn=true"], "freeze=0 keeps the statistics"),
    (["freeze=1"], "freeze=1: needs init=CHECKPOINT"),
])  # fmt: skip
def test_invalid_start_is_refused(settings: list[str], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        build_module(TrainSettings.from_config(config(*SMALL, *settings)))


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(BUNDLED_PATH.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"^init=.*damaged\.ckpt: damaged"):
        build_module(TrainSettings.from_config(config(*SMALL, MODEL, f"init={path}")))


def test_several_checkpoints_are_refused(tmp_path: Path) -> None:
    for name in ("a.ckpt", "b.ckpt"):
        shutil.copy(BUNDLED_PATH, tmp_path / name)
    with pytest.raises(InputError, match="matches 2 checkpoints; give one"):
        build_module(TrainSettings.from_config(config(*SMALL, MODEL, f"init={tmp_path / '*.ckpt'}")))


def train_main(folder: Path, made_csv: Path, *settings: str) -> Any:
    data = ["data=file", f"data.train={made_csv}", "data.val_size=20"]
    return run_main("train.py", *SMALL, *data, "trainer.max_epochs=1", *settings, folder=folder)


def test_network_is_that_of_the_checkpoint(tmp_path: Path, made_csv: Path) -> None:
    process = train_main(tmp_path, made_csv, "init=bundled", "name=own")
    assert process.returncode == 0, process.stderr
    assert "weights of bundled, 288,170 parameters trained" in process.stdout
    metrics = read_metrics_json(tmp_path / "outputs" / "own")
    assert (metrics["model"], metrics["choices"]["model"]) == ("compact_cnn", "compact_cnn")


@pytest.mark.parametrize("given", ["model=small_cnn", "experiment=record"])
def test_given_network_must_be_that_of_the_checkpoint(given: str, tmp_path: Path, made_csv: Path) -> None:
    process = train_main(tmp_path, made_csv, "init=bundled", given)
    assert (process.returncode, process.stderr.count("\n")) == (1, 1)
    assert "error: init=bundled holds the network compact_cnn, but this run has" in process.stderr


def test_run_without_a_network_is_refused_in_one_line(tmp_path: Path, made_csv: Path) -> None:
    process = train_main(tmp_path, made_csv, "init=bundled", "~model")
    assert (process.returncode, process.stderr.count("\n")) == (1, 1)
    assert "error: model=null: must be one of the choices" in process.stderr


@pytest.mark.slow
@pytest.mark.parametrize("swept", [["freeze=5,6"], ["freeze=6", "data.folds=2", "data.fold=0,1"]])
def test_finished_jobs_of_a_sweep_are_recognized(tmp_path: Path, made_csv: Path, swept: list[str]) -> None:
    sweep = ["-m", "init=bundled", *swept, "study=s"]
    assert train_main(tmp_path, made_csv, *sweep).returncode == 0
    metrics = sorted(tmp_path.glob("outputs/s/*/metrics.json"))
    contents = [path.read_bytes() for path in metrics]
    again = train_main(tmp_path, made_csv, *sweep)
    assert again.returncode == 0
    assert len(metrics) == 2
    assert [path.read_bytes() for path in metrics] == contents


def test_explain_names_the_checkpoint_that_the_network_comes_from(tmp_path: Path) -> None:
    process = run_main("train.py", "explain=model", "init=bundled", folder=tmp_path)
    lines = process.stdout.splitlines()
    assert lines[0] == "model = compact_cnn"
    assert lines[-1].split()[0] == "init=bundled"

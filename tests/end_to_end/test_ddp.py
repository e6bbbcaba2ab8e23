"""Two processes on the CPU train and count as one process does, and end together."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from helpers import (
    PROJECT,
    SMALL,
    allow_targets,
    frame,
    last_checkpoint,
    made_digits,
    read_metrics_json,
    run_main,
    run_program,
    trained_network,
)

from digits.models.layers import scale_images

pytestmark = pytest.mark.slow

DDP = ["trainer=ddp", *SMALL]
FLOAT64 = "{_target_:ddp_callbacks.Float64}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with digits in odd numbers: the shares of the processes differ."""
    allow_targets(tmp_path, monkeypatch, "ddp_callbacks")
    frame(*made_digits(121)).to_csv(tmp_path / "train.csv", index=False)
    frame(*made_digits(570, seed=1)).to_csv(tmp_path / "test.csv", index=False)
    return tmp_path


def float64(*callbacks: str) -> list[str]:
    """Settings of a run in float64. Only training and augmentation can be computed in it, not the evaluation."""
    return [
        "data=csv", "data.train_csv=train.csv", "data.val_size=0", "augment._target_=ddp_callbacks.Float64Transform",
        f"trainer.callbacks=[{','.join([FLOAT64, *callbacks])}]",
    ]  # fmt: skip


def assert_close(one: Path, other: Path) -> None:
    """Compares the weights, buffers and histories of two runs in float64."""
    state, other_state = last_checkpoint(one)["state_dict"], last_checkpoint(other)["state_dict"]
    assert state.keys() == other_state.keys()
    for name, values in state.items():
        torch.testing.assert_close(values, other_state[name], rtol=1e-7, atol=1e-9, msg=name)
    history, other_history = (pd.read_csv(run / "history.csv").drop(columns="seconds") for run in (one, other))
    pd.testing.assert_frame_equal(history, other_history, rtol=1e-5)  # the losses are counted in float32


@pytest.mark.parametrize(
    "settings",
    [
        ["model=compact_cnn"],
        [
            "model=kaggle_cnn", "optimizer=sgd", "ema=0.9", "label_smoothing=0.1",
            "+trainer.gradient_clip_val=0.5", "+trainer.accumulate_grad_batches=2",
        ],
        ["init=bundled", "freeze=2", "non_digits=0.2"],
    ],
    ids=["batch normalization", "dropout", "frozen layers"],
)  # fmt: skip
def test_two_processes_train_the_weights_of_one(folder: Path, settings: list[str]) -> None:
    one = run_main("train.py", *SMALL, *float64(), *settings, "name=one", folder=folder)
    two = run_program("train.py", *DDP, *float64(), *settings, "name=two", folder=folder)
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    assert_close(folder / "outputs" / "one", folder / "outputs" / "two")


def test_two_processes_count_as_one(folder: Path) -> None:
    process = run_program(
        "train.py", *DDP, "name=two", "model=compact_cnn", "data=csv", "data.train_csv=train.csv",
        "data.test_csv=test.csv", "data.val_size=20", "precise_bn=true", folder=folder,
    )  # fmt: skip
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.count("epoch 1/2") == 1

    images, labels = made_digits(570, seed=1)
    checkpoint = last_checkpoint(folder / "outputs" / "two")
    errors = int((trained_network(checkpoint)(scale_images(images)).argmax(1) != labels).sum())
    metrics = read_metrics_json(folder / "outputs" / "two")
    assert (metrics["test"]["errors"], metrics["test"]["total"]) == (errors, 570)
    mistakes = pd.read_csv(folder / "outputs" / "two" / "mistakes.csv").query("split == 'test'")
    assert mistakes["label"].tolist() == labels[mistakes["index"].to_list()].tolist()
    assert metrics["status"] == "completed"
    assert checkpoint["digits"]["temperature"] == metrics["calibration"]["temperature"]


def run_with_signal(folder: Path, number: signal.Signals, rank: int, connected: bool) -> tuple[int, str, str]:
    """The exit status and the output of a run of two processes, one of which gets a signal. Both must end within 30
    seconds after it."""
    send = f"{{_target_:ddp_callbacks.SendSignal,number:{number},rank:{rank},connected:{connected},folder:{folder}}}"
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *DDP, *float64(send), "name=two"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not (folder / "sent").exists():
        time.sleep(0.05)
    stdout, stderr = process.communicate(timeout=30)  # also waits for the second process, which has the same streams
    return process.returncode, stdout, stderr


def metrics_of(folder: Path) -> dict[str, Any]:
    return read_metrics_json(folder / "outputs" / "two")


def test_killed_process_ends_the_run_which_can_be_resumed(folder: Path) -> None:
    returncode, _, stderr = run_with_signal(folder, signal.SIGKILL, rank=1, connected=True)
    assert (returncode, stderr.count("\n")) == (1, 1)
    assert stderr.startswith("error: the process of local rank 1 was ended by SIGKILL after 1 complete epochs; ")
    assert metrics_of(folder)["status"] == "failed"
    resume = "resume=outputs/two/checkpoints/last.ckpt"
    assert resume in stderr
    assert resume in metrics_of(folder)["reason"]

    resumed = run_program("train.py", *DDP, *float64(), resume, folder=folder)
    one = run_main("train.py", *SMALL, *float64(), "name=one", folder=folder)
    assert (one.returncode, resumed.returncode) == (0, 0), resumed.stderr
    assert_close(folder / "outputs" / "one", folder / "outputs" / "two")


def test_process_killed_before_it_is_connected_ends_the_run(folder: Path) -> None:
    returncode, _, stderr = run_with_signal(folder, signal.SIGKILL, rank=1, connected=False)
    assert (returncode, stderr.count("\n")) == (1, 1)
    assert stderr.startswith(
        "error: the process of local rank 1 was ended by SIGKILL before the end of the first epoch"
    )
    assert metrics_of(folder)["status"] == "failed"


@pytest.mark.parametrize("connected", [False, True])
def test_killed_first_process_leaves_no_other(folder: Path, connected: bool) -> None:
    returncode, _, stderr = run_with_signal(folder, signal.SIGKILL, rank=0, connected=connected)
    assert (returncode, stderr) == (-signal.SIGKILL, "")


@pytest.mark.parametrize("connected", [False, True])
def test_signal_interrupts_both_processes(folder: Path, connected: bool) -> None:
    returncode, stdout, stderr = run_with_signal(folder, signal.SIGTERM, rank=0, connected=connected)
    assert (returncode, stderr) == (1, "" if connected else "interrupted\n")
    assert "interrupted after 1 complete epochs" in stdout if connected else "nothing to resume" in stdout
    assert metrics_of(folder)["status"] == "interrupted"

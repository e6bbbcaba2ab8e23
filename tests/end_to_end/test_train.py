"""`python train.py` as a user meets it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from helpers import PROJECT, SMALL, frame, last_checkpoint, made_digits, read_metrics_json, run_main, run_program, slow


@pytest.mark.parametrize("run", [run_main, slow(run_program)])
def test_run_from_csv_and_errors_in_it(tmp_path: Path, run: Callable[..., CompletedProcess[str]]) -> None:
    """A run as in the README. Then its folder is protected, and an invalid cell is one line."""
    table = frame(*made_digits(120)).astype("int16")
    table.to_csv(tmp_path / "train.csv", index=False)
    settings = [*SMALL, "data=csv", "data.train_csv=train.csv", "data.val_size=0.25", "model=larger_cnn", "name=first"]
    process = run("train.py", *settings, folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    read, _, *epochs, network, training, error, results = process.stdout.splitlines()
    assert read == "read        train.csv: columns label, pixel0 … pixel783"
    assert [line.partition(":")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    assert network == "network     larger_cnn, 59,933 parameters"
    assert training.startswith("training    2 epochs in ")
    assert "/30, 95% interval" in error
    assert results == "results     outputs/first"
    metrics = read_metrics_json(tmp_path / "outputs" / "first")
    assert metrics["overrides"] == settings
    assert metrics["choices"]["model"] == "larger_cnn"
    assert metrics["git"] is None or len(metrics["git"]["commit"]) == 40
    hydra_record = tmp_path / "outputs" / "first" / ".hydra" / "overrides.yaml"
    recorded = hydra_record.read_text()

    second = run_main("train.py", *settings, "seed=1", folder=tmp_path)
    assert second.returncode == 1
    assert second.stderr.startswith("error: outputs/first holds a finished run")
    assert hydra_record.read_text() == recorded

    table.loc[3, "pixel5"] = 256
    table.to_csv(tmp_path / "train.csv", index=False)
    second = run_main("train.py", *settings, "name=second", folder=tmp_path)
    assert second.returncode == 1
    assert second.stderr.startswith("error: train.csv, row 5, column 'pixel5': ")
    assert second.stderr.count("\n") == 1
    assert read_metrics_json(tmp_path / "outputs" / "second")["status"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("labels", [[1, 1, 1], [3, 8, 8]])
def test_three_drawings_are_enough_to_fine_tune(tmp_path: Path, labels: list[int]) -> None:
    frame(made_digits(3)[0], torch.tensor(labels)).to_csv(tmp_path / "digits.csv", index=False)
    settings = ["experiment=finetune", "data.train=digits.csv", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
    process = run_main("train.py", *settings, "name=mine", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert read_metrics_json(tmp_path / "outputs" / "mine")["status"] == "completed"


def test_debug_run_can_be_repeated(tmp_path: Path) -> None:
    for seed in (0, 1):
        process = run_main("train.py", *SMALL, "debug=true", f"seed={seed}", "name=first", folder=tmp_path)
        assert process.returncode == 0, process.stderr
        assert read_metrics_json(tmp_path / "outputs" / "debug")["seed"] == seed
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["debug"]


def test_learning_rate_is_suggested_as_a_command(tmp_path: Path) -> None:
    settings = [*SMALL, "model=fast_cnn", "augment=none", "data.batch_size=32"]
    process = run_main("train.py", *settings, "find=lr", "optimizer.lr=5", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    [command] = [line.partition("python ")[2] for line in process.stdout.splitlines() if "train.py" in line]
    *words, suggestion = command.split()
    assert words == ["train.py", *settings]
    assert 5e-4 < float(suggestion.removeprefix("optimizer.lr=")) < 0.1
    files = {path.name for path in (tmp_path / "outputs" / "find_lr").iterdir()}
    assert files == {".hydra", "train.log", "lr.csv", "lr.png"}


@pytest.mark.slow
def test_ctrl_c_keeps_the_last_complete_epoch(tmp_path: Path) -> None:
    settings = [*SMALL, "model=larger_cnn", "data.batch_size=64", "trainer.max_epochs=1000", "name=long"]
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *settings],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not process.stdout.readline().startswith("epoch 3/"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=600)
    assert "resume=outputs/long/checkpoints/last.ckpt" in stdout
    assert process.returncode == 1
    assert "Traceback" not in stderr
    folder = tmp_path / "outputs" / "long"
    assert read_metrics_json(folder)["status"] == "interrupted"
    assert last_checkpoint(folder)["epoch"] >= 1

    again = run_main("train.py", *settings, folder=tmp_path)
    assert again.returncode == 1
    assert again.stderr.startswith("error: outputs/long holds an interrupted run; add resume=outputs/long/checkpoints/")


@pytest.mark.slow
def test_closed_terminal_is_an_interruption(tmp_path: Path) -> None:
    """The progress bar and the log cannot be written any more."""
    pty = pytest.importorskip("pty")
    settings = [*SMALL, "model=larger_cnn", "data.batch_size=64", "trainer.max_epochs=1000", "name=long"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, str(PROJECT / "train.py"), *settings])
    output = b""
    while b"epoch 2/" not in output:
        output += os.read(terminal, 10_000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert read_metrics_json(tmp_path / "outputs" / "long")["status"] == "interrupted"

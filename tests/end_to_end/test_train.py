"""`python train.py` as a user meets it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import PROJECT, SMALL, choices, frame, made_digits

from digits.runs.checkpoint import read_checkpoint

TrainPy = Callable[..., subprocess.CompletedProcess[str]]
GROUPS = ("data", "model", "optimizer", "schedule", "augment", "trainer", "logger", "experiment")


@pytest.fixture
def without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that cannot be imported stands before the real one."""
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "torch.py").write_text("raise ImportError('torch was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "poison"))


@pytest.mark.usefixtures("without_torch")
def test_help_needs_no_torch_and_names_every_choice(train_py: TrainPy) -> None:
    answer = train_py("--help")
    assert answer.returncode == 0, answer.stderr
    for group in GROUPS:
        assert f"\n  {group} " in answer.stdout
        for choice in choices(group):
            assert f" {choice}" in answer.stdout, f"{group}={choice}"
    for study in choices("experiment/study"):
        assert f" study/{study}" in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= 100


@pytest.mark.usefixtures("without_torch")
def test_config_needs_no_torch(train_py: TrainPy) -> None:
    answer = train_py("--cfg", "job", "optimizer=adadelta")
    assert answer.returncode == 0, answer.stderr
    assert "torch.optim.Adadelta" in answer.stdout


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize(
    ("argument", "line"),
    {
        "optimizer=adm": "optimizer=adm: no such choice; there are adadelta, adam, adamw, rmsprop, sgd",
        "experiment=kagle": "experiment=kagle: no such choice; there are adadelta, adadelta_slow, ",
        "optimzer=adam": "optimzer: no such setting; did you mean optimizer? train has augment, data, ",
        "trainer.max_epoch=3": "trainer.max_epoch: no such setting; did you mean max_epochs? trainer has accelerator, ",
        "optimizer.momentum=1": "optimizer.momentum: no such setting; optimizer has fused, lr, weight_decay (+opt",
        "data.root=x": "data.root: no such setting; data has batch_size, fold, folds, ",
        "seed.foo=1": "seed.foo: no such setting; seed is a single value, 0",
        "resume=nowhere.ckpt": "resume=nowhere.ckpt: no such file; a run leaves outputs/",
        "hydra.run.dir=/dev/null/run": "[Errno 20] Not a directory: '/dev/null/run'",
        "nothing": "nothing: not of the form SETTING=VALUE",
    }.items(),
)
def test_mistake_on_the_command_line_is_one_line(train_py: TrainPy, tmp_path: Path, argument: str, line: str) -> None:
    answer = train_py(argument)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith(f"error: {line}")
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_run_and_mistakes_in_the_data(train_py: TrainPy, tmp_path: Path) -> None:
    """A run as in the README; then its folder is protected, and a bad cell is one line."""
    table = frame(*made_digits(120)).astype("int16")
    table.to_csv(tmp_path / "train.csv", index=False)
    settings = [
        *SMALL,
        "data=csv",
        "data.train_csv=train.csv",
        "data.val_size=0.25",
        "model=larger_cnn",
        "name=first",
    ]
    answer = train_py(*settings)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    *epochs, network, training, error, where = answer.stdout.splitlines()
    assert [line.partition(":")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    assert network == "network     larger_cnn, 59,933 parameters"
    assert training.startswith("training    2 epochs in ")
    assert "/30, 95% interval" in error
    assert where == "results     outputs/first"
    left = json.loads((tmp_path / "outputs" / "first" / "metrics.json").read_text())
    assert left["overrides"] == settings
    assert left["git"] is None or len(left["git"]["commit"]) == 40
    hydra_record = tmp_path / "outputs" / "first" / ".hydra" / "overrides.yaml"
    recorded = hydra_record.read_text()

    answer = train_py(*settings, "seed=1")
    assert answer.returncode == 1
    assert answer.stderr == "error: outputs/first holds a finished run; choose another name=…, or remove that folder\n"
    assert hydra_record.read_text() == recorded

    table.loc[3, "pixel5"] = 256
    table.to_csv(tmp_path / "train.csv", index=False)
    answer = train_py(*settings, "name=second")
    assert answer.returncode == 1
    assert answer.stderr == (
        "error: train.csv, row 5, column 'pixel5': a whole number from 0 to 255 is expected, not '256'\n"
    )
    assert json.loads((tmp_path / "outputs" / "second" / "metrics.json").read_text())["status"] == "failed"


def test_ctrl_c_keeps_the_last_complete_epoch(train_py: TrainPy, tmp_path: Path) -> None:
    settings = [*SMALL, "model=larger_cnn", "trainer.max_epochs=1000", "name=long"]
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *settings],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 3/"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=600)
    assert "to go on, the same command with resume=outputs/long/checkpoints/last.ckpt" in stdout
    assert process.returncode == 1
    assert "Traceback" not in stderr
    folder = tmp_path / "outputs" / "long"
    assert json.loads((folder / "metrics.json").read_text())["status"] == "interrupted"
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["epoch"] >= 1

    answer = train_py(*settings)
    assert answer.returncode == 1
    assert answer.stderr.startswith(
        "error: outputs/long holds an interrupted run; add resume=outputs/long/checkpoints/"
    )

"""The command `digits` does what `train.py` and `predict.py` do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PROJECT, SMALL, read_metrics_json, run_program


def run_digits(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs `python -m digits *words`."""
    command = [sys.executable, "-m", "digits", *words]
    environment = os.environ | {"COLUMNS": "120"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]], ids=str)
def test_help_names_the_commands(tmp_path: Path, words: list[str]) -> None:
    process = run_digits(*words, folder=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    for command in ("digits train ", "digits predict ", "python -m digits.studies "):
        assert command in process.stdout
    assert max(map(len, process.stdout.splitlines())) <= 110


@pytest.mark.parametrize("word", ["tarin", "input=photo.jpg", "-m", "\x1b[2J"])
def test_unknown_command_is_one_line(tmp_path: Path, word: str) -> None:
    process = run_digits(word, folder=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.endswith(": no such command; choose one of train, predict\n")
    assert process.stderr[:-1].isprintable()


@pytest.mark.parametrize("command", ["train", "predict"])
def test_help_names_the_program_that_was_typed(tmp_path: Path, command: str) -> None:
    own = run_digits(command, "--help", folder=tmp_path)
    script = run_program(f"{command}.py", "--help", folder=tmp_path)
    assert f"usage: digits {command} " in own.stdout
    assert own.stdout.replace(f"digits {command}", f"python {command}.py") == script.stdout
    assert (own.returncode, own.stderr) == (0, "")


@pytest.mark.parametrize(
    "words", ["train optimizer=adadelta", "train experiment=compact explain=optimizer.lr", "predict"]
)
def test_configuration_is_that_of_the_program(tmp_path: Path, words: str) -> None:
    command, *settings = words.split()
    if "explain" not in words:
        settings += ["--cfg", "all", "name=x", "study=y"] if command == "train" else ["--cfg", "all"]
    own = run_digits(command, *settings, folder=tmp_path)
    script = run_program(f"{command}.py", *settings, folder=tmp_path)
    assert (own.stdout, own.stderr, own.returncode) == (script.stdout, script.stderr, 0)


@pytest.mark.parametrize("words", ["train optimizer=adm", "train optimzer=adam", "predict", "predict -m input=a,b"])
def test_errors_are_those_of_the_program(tmp_path: Path, words: str) -> None:
    command, *settings = words.split()
    own = run_digits(command, *settings, folder=tmp_path)
    script = run_program(f"{command}.py", *settings, folder=tmp_path)
    assert (own.stdout, own.stderr, own.returncode) == (script.stdout, script.stderr, 1)
    assert own.stderr.count("\n") == 1


@pytest.mark.parametrize(("line", "expected"), [
    ("digits train optimizer=ada", "optimizer=adadelta optimizer=adam optimizer=adamw"),
    ("digits predict conf", "confidence="), ("digits tr", "train predict"), ("digits tarin opt", ""),
])  # fmt: skip
def test_shell_completes_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: str) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    process = run_digits("-sc", "query=bash", folder=tmp_path)
    assert (process.returncode, process.stdout.strip(), process.stderr) == (0, expected, "")


def test_signal_during_the_imports_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hydra.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    process = run_digits("train", folder=tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (1, "", "interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], ["hydra/launcher=submitit_local"]], ids=str
)
def test_sweep(tmp_path: Path, made_csv: Path, launcher: list[str]) -> None:
    if launcher:
        name = launcher[0].rpartition("=")[2].partition("_")[0]
        pytest.importorskip(f"hydra_plugins.hydra_{name}_launcher")
    data = ["data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "model=mlp", "augment=none"]
    process = run_digits("train", "-m", *SMALL, *data, "seed=0,1", "study=s", *launcher, folder=tmp_path)
    assert process.returncode == 0, process.stderr
    runs = [read_metrics_json(path.parent) for path in tmp_path.glob("outputs/s/*/metrics.json")]
    assert [run["status"] for run in runs] == ["completed", "completed"]
    assert (tmp_path / "outputs" / "s" / "leaderboard.csv").is_file()


@pytest.mark.slow
def test_several_processes_of_one_run(tmp_path: Path, made_csv: Path) -> None:
    """Lightning starts the second process with the same command."""
    (tmp_path / "my_conf" / "optimizer").mkdir(parents=True)
    rate = "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.125\n"
    (tmp_path / "my_conf" / "optimizer" / "mine.yaml").write_text(rate)
    data = ["data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "model=mlp", "augment=none"]
    own = ["--config-dir", "my_conf", "optimizer=mine"]
    process = run_digits("train", *own, "trainer=ddp", *SMALL, "trainer.devices=2", *data, "name=two", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    metrics = read_metrics_json(tmp_path / "outputs" / "two")
    assert (metrics["status"], metrics["config"]["optimizer"]["lr"]) == ("completed", 0.125)


@pytest.mark.slow
def test_prediction(tmp_path: Path) -> None:
    photo = PROJECT / "docs" / "photo.jpg"
    process = run_digits("predict", f"input={photo}", folder=tmp_path)
    assert (process.returncode, process.stdout) == (0, f"file,Label\n{photo},7\n"), process.stderr
    assert list(tmp_path.iterdir()) == []

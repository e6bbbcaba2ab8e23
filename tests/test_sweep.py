"""`python train.py -m` as a user meets it: tables, resumed sweeps, failed jobs, launchers."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL

TrainPy = Callable[..., subprocess.CompletedProcess[str]]
SWEEP = ["-m", *SMALL, "data=csv", "data.val_size=20", "model=larger_cnn", "augment=none", "schedule=constant"]


@pytest.fixture
def small_sweep(made_csv: Path) -> list[str]:
    """Arguments of two configurations with two seeds each."""
    return [*SWEEP, f"data.train_csv={made_csv}", "optimizer=adam,sgd", "seed=0,1", "study=s"]


def table(folder: Path) -> list[dict[str, str]]:
    """The leaderboard without what depends on the clock."""
    with (folder / "leaderboard.csv").open() as file:
        return [
            {key: value for key, value in row.items() if key not in ("fit_seconds", "images_per_second")}
            for row in csv.DictReader(file)
        ]


def runs(folder: Path) -> dict[str, dict[str, object]]:
    """What each job left, without what depends on the clock."""
    left = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/metrics.json")}
    return {name: {key: metrics.get(key) for key in ("status", "val", "config")} for name, metrics in left.items()}


def test_sweep_leaves_a_leaderboard(train_py: TrainPy, tmp_path: Path, small_sweep: list[str]) -> None:
    answer = train_py(*small_sweep)
    assert answer.returncode == 0, answer.stderr
    folder = tmp_path / "outputs" / "s"
    names = [f"optimizer-{optimizer}_seed-{seed}" for optimizer in ("adam", "sgd") for seed in (0, 1)]
    assert sorted(runs(folder)) == names
    first, *lines = answer.stdout.splitlines()
    assert first == "study s: 4 jobs in outputs/s"
    for number, (line, name) in enumerate(zip(lines, names, strict=False), 1):
        assert line.startswith(f"{number}/4  {name}  val error ")
        assert ("; about " in line) == (number < 4)
    assert (folder / "leaderboard.md").read_text() in answer.stdout
    assert "epoch 1/2" not in answer.stdout
    assert "epoch 1/2" in (folder / names[0] / "train.log").read_text()
    rows = table(folder)
    assert {(row["optimizer"], row["seeds"], row["done"], row["failed"]) for row in rows} == {
        ("adam", "0 1", "2", "0"),
        ("sgd", "0 1", "2", "0"),
    }
    assert float(rows[0]["val_error_mean"]) <= float(rows[1]["val_error_mean"])
    for name in ("leaderboard.png", "curves.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")

    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/metrics.json")}
    tables = [(folder / f"leaderboard.{suffix}").read_bytes() for suffix in ("csv", "md", "png")]
    answer = train_py(*small_sweep)
    assert answer.returncode == 0, answer.stderr
    assert "4 of 4 jobs finished before" in answer.stdout
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("*/metrics.json")}
    assert tables == [(folder / f"leaderboard.{suffix}").read_bytes() for suffix in ("csv", "md", "png")]

    grown = [argument.replace("seed=0,1", "seed=0,1,2") for argument in small_sweep]
    assert "study s: 6 jobs" in train_py(*grown, "hydra/launcher=basic").stdout
    assert {row["seeds"] for row in table(folder)} == {"0 1 2"}

    other = train_py(*small_sweep, "augment=affine")
    assert other.returncode == 1
    assert other.stderr == (
        "error: outputs/s holds another study (augment is none there); choose another study=…, or remove that folder\n"
    )


def kill_when(arguments: list[str], folder: Path, ready: Callable[[], bool]) -> None:
    """Starts a sweep and sends SIGKILL, to it alone, as soon as `ready`."""
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *arguments],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not ready():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_sweep_ends_as_an_undisturbed_one(train_py: TrainPy, tmp_path: Path, small_sweep: list[str]) -> None:
    arguments = [argument.replace("max_epochs=2", "max_epochs=12") for argument in small_sweep]
    folder, whole = tmp_path / "outputs" / "s", [*arguments, "study=whole"]
    second = folder / "optimizer-adam_seed-1"

    def in_the_middle() -> bool:
        history = second / "history.csv"
        return history.exists() and len(history.read_text().splitlines()) > 3

    kill_when(arguments, tmp_path, in_the_middle)
    assert runs(folder)["optimizer-adam_seed-0"]["status"] == "completed"
    assert runs(folder)["optimizer-adam_seed-1"]["status"] == "running"
    first = (folder / "optimizer-adam_seed-0" / "metrics.json").stat().st_mtime_ns

    answer = train_py(*arguments)
    assert answer.returncode == 0, answer.stderr
    assert "1 of 4 jobs finished before, 1 to go on from their last epoch" in answer.stdout
    assert (folder / "optimizer-adam_seed-0" / "metrics.json").stat().st_mtime_ns == first
    assert "epoch 1/12" in (second / "train.log").read_text()
    assert (second / "train.log").read_text().count("epoch 1/12") == 1  # it was not begun again

    assert train_py(*whole).returncode == 0
    assert table(folder) == table(tmp_path / "outputs" / "whole")
    ends = [runs(tmp_path / "outputs" / name) for name in ("s", "whole")]
    assert {name: run["val"] for name, run in ends[0].items()} == {name: run["val"] for name, run in ends[1].items()}

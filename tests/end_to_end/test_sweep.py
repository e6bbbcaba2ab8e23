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
from helpers import PROJECT, SMALL, run_program

from digits.runs.folder import folder_lock

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

    assert report(folder).returncode == 0
    assert tables == [(folder / f"leaderboard.{suffix}").read_bytes() for suffix in ("csv", "md", "png")]

    grown = [argument.replace("seed=0,1", "seed=0,1,2") for argument in small_sweep]
    assert "study s: 6 jobs" in train_py(*grown, "hydra/launcher=basic").stdout
    assert {row["seeds"] for row in table(folder)} == {"0 1 2"}

    other = train_py(*small_sweep, "augment=affine")
    assert other.returncode == 1
    assert other.stderr == (
        "error: outputs/s holds another study (augment is none there); choose another study=…, or remove that folder\n"
    )


def report(folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "digits.studies.report", str(folder)], check=False, capture_output=True
    )


def kill_when(arguments: list[str], folder: Path, ready: Callable[[], bool]) -> None:
    """Starts a sweep and sends SIGKILL, to it alone, as soon as `ready`."""
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *arguments],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    limit = time.monotonic() + 600
    while not ready():
        assert process.poll() is None
        assert time.monotonic() < limit
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


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, small_sweep: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *small_sweep, "trainer.max_epochs=1000", "study='my study'"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    history = tmp_path / "outputs" / "my study" / "optimizer-adam_seed-0" / "history.csv"
    limit = time.monotonic() + 600
    while not history.exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert stderr.endswith("interrupted; the same command with study=my study goes on where it was\n")
    assert runs(tmp_path / "outputs" / "my study")["optimizer-adam_seed-0"]["status"] == "interrupted"


def test_failed_jobs_are_rows_and_do_not_stop_the_others(
    train_py: TrainPy, tmp_path: Path, small_sweep: list[str]
) -> None:
    arguments = [*small_sweep, "optimizer=sgd", "seed=0", "optimizer.lr=-1,1e30,0.01", "trainer.max_epochs=2"]
    answer = train_py(*arguments)
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        "error: 2 of 3 jobs failed; outputs/s/<job>/train.log tells more, and the same command tries them again "
        "(study=s)"
    ]
    folder = tmp_path / "outputs" / "s"
    reasons = {row["optimizer.lr"]: row["reason"] for row in table(folder)}
    assert reasons["0.01"] == ""
    assert reasons["1e+30"].startswith("training diverged: the loss is nan in epoch 1")
    assert reasons["-1"] == "optimizer.lr=-1: must be a number above 0"
    assert "Traceback" in (folder / "lr--1_seed-0" / "train.log").read_text()
    assert "Traceback" not in answer.stdout

    good = (folder / "lr-0.01_seed-0" / "metrics.json").stat().st_mtime_ns
    answer = train_py(*arguments)
    assert answer.returncode == 1
    assert "1 of 3 jobs finished before, 0 to go on" in answer.stdout
    assert "2/3  lr--1_seed-0  failed: " in answer.stdout
    assert (folder / "lr-0.01_seed-0" / "metrics.json").stat().st_mtime_ns == good


@pytest.fixture(scope="module")
def one_by_one(made_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The table of a small sweep with Hydra's basic launcher."""
    folder = tmp_path_factory.mktemp("basic")
    assert run_program("train.py", *mixed_sweep(made_csv), "study=basic", folder=folder).returncode == 1
    return table(folder / "outputs" / "basic")


def mixed_sweep(csv_file: Path) -> list[str]:
    """Two jobs that end well and two that fail."""
    return [*SWEEP, f"data.train_csv={csv_file}", "optimizer=sgd", "seed=0,1", "optimizer.lr=0.01,-1"]


@pytest.mark.parametrize(
    ("launcher", "package"),
    [
        ("joblib", "hydra_joblib_launcher"),
        ("submitit_local", "hydra_submitit_launcher"),
        ("ray", "hydra_ray_launcher"),
    ],
)
def test_launchers_give_the_table_of_the_basic_one(
    launcher: str, package: str, train_py: TrainPy, tmp_path: Path, made_csv: Path, one_by_one: list[dict[str, str]]
) -> None:
    pytest.importorskip(f"hydra_plugins.{package}", reason=f"hydra/launcher={launcher} is not installed")
    answer = train_py(*mixed_sweep(made_csv), f"hydra/launcher={launcher}", "study=parallel")
    assert answer.returncode == 1
    assert "error: 2 of 4 jobs failed" in answer.stderr
    assert answer.stdout.count("; about ") == 3
    assert table(tmp_path / "outputs" / "parallel") == one_by_one


def test_worker_that_is_killed_is_a_failed_job(
    train_py: TrainPy, tmp_path: Path, small_sweep: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system does it when memory runs out."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    (tmp_path / "deadly.py").write_text(
        "import os, signal\nfrom lightning.pytorch import Callback\n"
        "class Deadly(Callback):\n"
        "    def on_train_epoch_start(self, trainer, pl_module):\n"
        "        if os.path.exists('armed'):\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "armed").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    arguments = [*small_sweep, "trainer.callbacks=[{_target_:deadly.Deadly}]"]
    answer = train_py(*arguments, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert answer.returncode == 1
    assert "error: 4 of 4 jobs failed" in answer.stderr
    rows = table(tmp_path / "outputs" / "s")
    assert {row["failed"] for row in rows} == {"2"}
    assert all("TerminatedWorkerError" in row["reason"] for row in rows)
    (tmp_path / "armed").unlink()
    answer = train_py(*arguments)
    assert answer.returncode == 0, answer.stderr
    assert {row["done"] for row in table(tmp_path / "outputs" / "s")} == {"2"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["optimizer=adam,nadam"], "optimizer=nadam: no such choice; there are adadelta, adam, adamw, rmsprop, sgd"),
        (["optmizer=adam,sgd"], "optmizer: no such setting; did you mean optimizer?"),
        (["seed=range(0,0)"], "seed=range(0,0): an empty sweep, which gives the setting no value"),
        ([], "nothing to sweep: give a setting several values"),
        (["seed=0,1", "name=x"], "name=… is for a single run; a sweep has study=…"),
        (["seed=0,1", "resume=x"], "resume=… is for a single run; a sweep has study=…, which resumes by itself"),
        (["seed=0,1", "trainer=ddp"], "trainer=ddp, several devices for one run, cannot be part of a sweep (-m); run"),
        (
            ["optimizer.lr=interval(0,1)"],
            "optimizer.lr=interval(0,1): a range without steps; hydra/sweeper=optuna draws",
        ),
        (["seed=0,1", "hydra.launcher.jobs=2"], "hydra.launcher.jobs: no such setting of Hydra's"),
        (["seed=0,1", "hydra/launcher=jobli"], "hydra/launcher=jobli: no such choice; there are basic"),
        (["seed=0,1", "hydra/sweeper=optuna"], "nothing to search: give a setting a range"),
        (["optimizer.lr=interval(1,0)", "hydra/sweeper=optuna"], "optimizer.lr=interval(1,0): "),
        (["optimizer=adam,sgd", "hydra/sweeper=optuna", "data.val_size=0"], "a search needs digits held out for"),
        (["optimizer=adam,sgd", "hydra/sweeper=optuna", "hydra.sweeper.trials=0"], "hydra.sweeper.trials=0: must be"),
        (["seed=0,1", "study=a,b"], "study=… is to be one name"),
        (["seed=0,1", "study=.."], "study=… is to be one name"),
        (["seed=0,1", "--cfg", "job"], "-m, --cfg, --info and --help answer one at a time"),
    ],
    ids=str,
)
def test_sweep_that_cannot_be_is_refused_before_any_job(
    train_py: TrainPy, tmp_path: Path, arguments: list[str], line: str
) -> None:
    answer = train_py("-m", *arguments)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith(f"error: {line}")
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_folders_that_cannot_take_the_study(train_py: TrainPy, tmp_path: Path, small_sweep: list[str]) -> None:
    folder = tmp_path / "outputs" / "s"
    folder.mkdir(parents=True)
    with folder_lock(folder, ""):
        answer = train_py(*small_sweep)
    assert answer.stderr == ("error: another sweep is at work in outputs/s; wait for it, or choose another study=…\n")
    (folder / "metrics.json").write_text('{"status": "completed"}')
    assert train_py(*small_sweep).stderr == "error: outputs/s holds a single run; choose another study=…\n"
    (folder / "metrics.json").unlink()
    (folder / "study.json").write_text("{")
    assert train_py(*small_sweep).stderr.startswith("error: outputs/s/study.json is damaged")
    answer = train_py(*small_sweep, "study=s/study.json/x")
    assert answer.returncode == 1
    assert answer.stderr == (
        "error: outputs/s/study.json/x: no folder can be made there (Not a directory); choose another study=…\n"
    )


def test_job_that_outlived_its_sweep_is_left_alone(train_py: TrainPy, tmp_path: Path, small_sweep: list[str]) -> None:
    job = tmp_path / "outputs" / "s" / "optimizer-adam_seed-1"
    job.mkdir(parents=True)
    with folder_lock(job, ""):
        answer = train_py(*small_sweep)
    assert answer.returncode == 1
    assert answer.stderr == (
        "error: 1 of 4 jobs are in other hands; once they end, give the same command again (study=s)\n"
    )
    assert "optimizer-adam_seed-1 is still being trained by a process of an earlier sweep" in answer.stdout
    assert sorted(runs(tmp_path / "outputs" / "s")) == [
        "optimizer-adam_seed-0", "optimizer-sgd_seed-0", "optimizer-sgd_seed-1",
    ]  # fmt: skip


def test_changed_settings_and_code_are_noticed(train_py: TrainPy, tmp_path: Path, small_sweep: list[str]) -> None:
    arguments = [*small_sweep, "optimizer=adam"]
    assert train_py(*arguments).returncode == 0
    changed = tmp_path / "outputs" / "s" / "seed-0" / "metrics.json"
    metrics = json.loads(changed.read_text())
    metrics["config"]["optimizer"]["lr"] = 0.5  # as if the file of the optimizer had said so then
    metrics["fingerprint"]["settings"] = "0" * 12
    changed.write_text(json.dumps(metrics))
    other = tmp_path / "outputs" / "s" / "seed-1" / "metrics.json"
    metrics = json.loads(other.read_text())
    metrics["fingerprint"]["code"] = "0" * 12
    other.write_text(json.dumps(metrics))
    before = changed.read_bytes(), other.read_bytes()

    answer = train_py(*arguments)
    assert answer.returncode == 0, answer.stderr
    assert "seed-0 was finished with other settings (optimizer.lr was 0.5, now 0.001) and is kept" in answer.stdout
    assert "1 job was finished with another state of the code (seed-1)" in answer.stdout
    assert before == (changed.read_bytes(), other.read_bytes())
    assert "| lr    |" in answer.stdout  # it is no longer one configuration


def test_search_checks_every_choice_and_whole_numbers(
    train_py: TrainPy, tmp_path: Path, small_sweep: list[str]
) -> None:
    pytest.importorskip("optuna")
    arguments = [*small_sweep[:-3], "seed=0", "hydra/sweeper=optuna", "hydra.sweeper.trials=1", "trainer.max_epochs=1"]
    answer = train_py(*arguments, "optimizer.lr=interval(0.1,0.2)", "optimizer=sgd,nadam")
    assert answer.stderr.startswith("error: optimizer=nadam: no such choice")
    assert not (tmp_path / "outputs").exists()
    answer = train_py(*arguments, "data.batch_size=tag(log,int(interval(8,32)))")
    assert answer.returncode == 0, answer.stderr


def test_search_resumes_with_the_same_proposals(train_py: TrainPy, tmp_path: Path, small_sweep: list[str]) -> None:
    pytest.importorskip("optuna")
    arguments = [
        *small_sweep[:-3], "optimizer=adam,sgd", "optimizer.lr=tag(log,interval(1e-4,1e-1))", "seed=0,1",
        "hydra/sweeper=optuna", "trainer.max_epochs=1",
    ]  # fmt: skip
    for trials, study in ((3, "whole"), (1, "parts"), (3, "parts")):
        answer = train_py(*arguments, f"hydra.sweeper.trials={trials}", f"study={study}")
        assert answer.returncode == 0, answer.stderr
    whole, parts = tmp_path / "outputs" / "whole", tmp_path / "outputs" / "parts"
    proposed = json.loads((whole / "search.json").read_text())
    assert len({trial["optimizer.lr"] for trial in proposed}) == 3
    assert all(1e-4 <= trial["optimizer.lr"] <= 1e-1 for trial in proposed)
    assert proposed == json.loads((parts / "search.json").read_text())
    assert table(whole) == table(parts)
    assert {row["done"] for row in table(whole)} == {"2"}
    (parts / "search.json").write_text('[{"optimizer.lr": 7}]')
    answer = train_py(*arguments, "hydra.sweeper.trials=3", "study=parts")
    assert answer.stderr.startswith("error: outputs/parts/search.json is damaged")


def test_smoke_study(train_py: TrainPy, tmp_path: Path) -> None:
    answer = train_py("experiment=study/smoke", "trainer=cpu", "seed=3")
    assert answer.returncode == 0, answer.stderr
    assert {(row["optimizer"], row["augment"], row["seeds"]) for row in table(tmp_path / "outputs" / "smoke")} == {
        (optimizer, augment, "3") for optimizer in ("adam", "adadelta") for augment in ("none", "affine")
    }

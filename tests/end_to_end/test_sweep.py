"""`python train.py -m`: leaderboards, resumed sweeps, failed jobs, launchers, searches."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT, SMALL, allow_targets, run_main, run_program

from digits.studies.__main__ import main as rebuild_leaderboard

Finished = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def arguments(made_csv: Path) -> list[str]:
    """Of every sweep here: one short epoch."""
    settings = "data=csv data.val_size=20 model=larger_cnn augment=none schedule=constant trainer.max_epochs=1 study=s"
    return ["-m", *SMALL, *settings.split(), f"data.train_csv={made_csv}"]


@pytest.fixture(scope="module")
def grid(arguments: list[str]) -> list[str]:
    return [*arguments, "optimizer=adam,sgd", "seed=0,1"]


@pytest.fixture(scope="module")
def finished(grid: list[str], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The folder and the output of a sweep of two configurations with two seeds each."""
    folder = tmp_path_factory.mktemp("finished")
    return folder / "outputs" / "s", run_main("train.py", *grid, folder=folder)


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Path:
    """The folder of a completed study."""
    return shutil.copytree(finished[0], tmp_path / "outputs" / "s")


def leaderboard(folder: Path) -> list[dict[str, str]]:
    """The rows without seconds and images per second."""
    with (folder / "leaderboard.csv").open() as file:
        return [{key: row[key] for key in row if "second" not in key} for row in csv.DictReader(file)]


def metrics(folder: Path) -> dict[str, Any]:
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(folder.glob("*/metrics.json"))}


def files(folder: Path, pattern: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob(pattern) if path.is_file()}


def test_sweep_prints_its_progress_and_its_leaderboard(finished: Finished) -> None:
    folder, sweep = finished
    assert sweep.returncode == 0, sweep.stderr
    first, *lines = sweep.stdout.splitlines()
    assert first == "study s: 4 jobs in outputs/s"
    assert len(metrics(folder)) == 4
    for number, (line, name) in enumerate(zip(lines, metrics(folder), strict=False), 1):
        assert line.startswith(f"{number}/4  {name}  val error ")
        assert ("; about " in line) == (number < 4)
        assert "epoch 1/1" in (folder / name / "train.log").read_text()
    assert "epoch 1/1" not in sweep.stdout
    assert (folder / "leaderboard.md").read_text() in sweep.stdout


def test_leaderboard_has_a_row_for_each_configuration(finished: Finished) -> None:
    rows = {(row["optimizer"], row["seeds"], row["done"], row["failed"]) for row in leaderboard(finished[0])}
    assert rows == {("adam", "0 1", "2", "0"), ("sgd", "0 1", "2", "0")}
    for name in ("leaderboard.png", "curves.png"):
        assert (finished[0] / name).read_bytes().startswith(b"\x89PNG")


def test_same_command_trains_nothing_again(copied: Path, grid: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = files(copied, "**/*.*")
    assert "4 of 4 jobs already completed" in run_main("train.py", *grid, folder=copied.parents[1]).stdout
    assert files(copied, "**/*.*") == before
    rebuild_leaderboard([str(copied)])
    assert capsys.readouterr().out == (copied / "leaderboard.md").read_text()
    assert files(copied, "**/*.*") == before


@pytest.mark.slow
def test_leaderboard_is_rebuilt_by_a_command(copied: Path) -> None:
    command = [sys.executable, "-m", "digits.studies", str(copied)]
    assert subprocess.check_output(command, text=True) == (copied / "leaderboard.md").read_text()


def test_seeds_can_be_added(copied: Path, grid: list[str]) -> None:
    sweep = run_main("train.py", *grid, "seed=1,2", "hydra/launcher=basic", folder=copied.parents[1])
    assert "2 of 4 jobs already completed" in sweep.stdout
    assert {row["seeds"] for row in leaderboard(copied)} == {"0 1 2"}


def test_changed_settings_and_code_are_reported(copied: Path, grid: list[str]) -> None:
    for seed in (0, 1):
        path = copied / f"optimizer-adam_seed-{seed}" / "metrics.json"
        stored = json.loads(path.read_text())
        if seed == 0:
            stored["config"]["optimizer"]["lr"] = 0.5
        stored["fingerprint"] = {"settings": "0", "code": "0"}
        path.write_text(json.dumps(stored))
    before = files(copied, "*/metrics.json")
    sweep = run_main("train.py", *grid, folder=copied.parents[1])
    assert "optimizer.lr was 0.5, is 0.001: optimizer-adam_seed-0;" in sweep.stdout
    assert "the code has changed: optimizer-adam_seed-1;" in sweep.stdout
    assert files(copied, "*/metrics.json") == before
    assert "| lr    |" in sweep.stdout  # no longer one configuration


def start(arguments: list[str], folder: Path, job: Path, epochs: int) -> subprocess.Popen[str]:
    """A sweep in a process of its own, of which a job has completed some epochs."""
    command = [sys.executable, str(PROJECT / "train.py"), *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    history, limit = job / "history.csv", time.monotonic() + 300
    while not history.exists() or len(history.read_text().splitlines()) <= epochs:
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.02)
    return process


@pytest.mark.slow
def test_killed_sweep_ends_like_an_undisturbed_one(tmp_path: Path, arguments: list[str]) -> None:
    sweep = [*arguments, "optimizer=sgd", "seed=0,1,2", "trainer.max_epochs=10"]
    folder, whole = tmp_path / "outputs" / "s", tmp_path / "outputs" / "whole"
    process = start(sweep, tmp_path, folder / "seed-1", epochs=3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert {name: run["status"] for name, run in metrics(folder).items()} == {
        "seed-0": "completed",
        "seed-1": "running",
    }
    assert leaderboard(folder)[0]["seeds"] == "0"
    completed = files(folder, "seed-0/metrics.json")

    resumed = run_main("train.py", *sweep, folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "1 of 3 jobs already completed, 1 to resume" in resumed.stdout
    assert files(folder, "seed-0/metrics.json") == completed
    assert (folder / "seed-1" / "train.log").read_text().count("epoch 1/10") == 1  # not started again

    assert run_main("train.py", *sweep, "study=whole", folder=tmp_path).returncode == 0
    assert leaderboard(folder) == leaderboard(whole)
    assert [run["val"] for run in metrics(folder).values()] == [run["val"] for run in metrics(whole).values()]


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGHUP])
def test_interrupted_sweep_prints_how_to_resume(tmp_path: Path, arguments: list[str], end: signal.Signals) -> None:
    folder = tmp_path / "outputs" / "my study"
    sweep = [*arguments, "seed=0,1", "trainer.max_epochs=1000", "study='my study'"]
    process = start(sweep, tmp_path, folder / "seed-0", epochs=1)
    process.send_signal(end)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("interrupted; the same command with study=my study ")
    assert {name: run["status"] for name, run in metrics(folder).items()} == {"seed-0": "interrupted"}
    assert not list(folder.rglob(".*.part"))


@pytest.mark.slow
def test_interrupt_while_workers_start_prints_one_line(tmp_path: Path, arguments: list[str]) -> None:
    """Ctrl-C in a terminal is sent to all processes. They still import PyTorch then."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    command = [sys.executable, str(PROJECT / "train.py"), *arguments, "seed=0,1", "hydra/launcher=joblib"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **pipes)
    assert process.stdout.readline().startswith("study s: 2 jobs")
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1
    assert re.fullmatch("interrupted; .*\n", stderr)


def test_failed_jobs_do_not_stop_the_others_and_are_tried_again(tmp_path: Path, arguments: list[str]) -> None:
    sweep = [*arguments, "optimizer=sgd", "optimizer.lr=-1,1e30,0.01", "trainer.max_epochs=2"]
    folder = tmp_path / "outputs" / "s"
    first = run_main("train.py", *sweep, folder=tmp_path)
    assert first.returncode == 1
    assert first.stderr.startswith("error: 2 of 3 jobs failed, see outputs/s/<job>/train.log;")
    reasons = {row["optimizer.lr"]: row["reason"] for row in leaderboard(folder)}
    assert reasons["0.01"] == ""
    assert "diverged" in reasons["1e30"]
    assert "optimizer.lr=-1:" in reasons["-1"]
    assert "Traceback" in (folder / "lr--1_seed-0" / "train.log").read_text()
    assert "Traceback" not in first.stdout
    completed = files(folder, "lr-0.01_seed-0/*.*")
    second = run_main("train.py", *sweep, folder=tmp_path)
    assert second.returncode == 1
    assert "1 of 3 jobs already completed, 0 to resume" in second.stdout
    assert "2/3  lr--1_seed-0  failed: " in second.stdout
    assert files(folder, "lr-0.01_seed-0/*.*") == completed


ONE_FAILS = ["optimizer=sgd", "optimizer.lr=0.01,-1"]


@pytest.fixture(scope="module")
def sequential(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The leaderboard with Hydra's basic launcher."""
    folder = tmp_path_factory.mktemp("sequential")
    assert run_main("train.py", *arguments, *ONE_FAILS, folder=folder).returncode == 1
    return leaderboard(folder / "outputs" / "s")


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", ["joblib hydra.launcher.n_jobs=1", "joblib hydra.launcher.n_jobs=2", "submitit_local", "ray"]
)
def test_launchers_give_the_same_leaderboard(
    launcher: str, tmp_path: Path, arguments: list[str], sequential: list[dict[str, str]]
) -> None:
    name, *settings = launcher.split()
    pytest.importorskip(f"hydra_plugins.hydra_{name.removesuffix('_local')}_launcher")
    sweep = run_program("train.py", *arguments, *ONE_FAILS, f"hydra/launcher={name}", *settings, folder=tmp_path)
    assert sweep.returncode == 1
    assert "error: 1 of 2 jobs failed" in sweep.stderr
    assert sweep.stdout.count("; about ") == 1
    assert (tmp_path / "outputs" / "s" / "leaderboard.md").read_text() in sweep.stdout
    assert leaderboard(tmp_path / "outputs" / "s") == sequential


@pytest.mark.slow
def test_job_of_a_killed_worker_fails(tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As by the operating system when memory runs out."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    (tmp_path / "deadly.py").write_text(
        "import os\nfrom lightning.pytorch import Callback\n\nclass Deadly(Callback):\n"
        "    def on_train_epoch_start(self, trainer, pl_module):\n"
        "        os.path.exists('armed') and os.kill(os.getpid(), 9)\n"
    )
    (tmp_path / "armed").touch()
    allow_targets(tmp_path, monkeypatch, "deadly")
    sweep = [*arguments, "seed=0,1", "trainer.callbacks=[{_target_:deadly.Deadly}]"]
    killed = run_program("train.py", *sweep, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", folder=tmp_path)
    assert killed.returncode == 1
    assert "error: 2 of 2 jobs failed" in killed.stderr
    (row,) = leaderboard(tmp_path / "outputs" / "s")
    assert row["failed"] == "2"
    assert "TerminatedWorkerError" in row["reason"]
    (tmp_path / "armed").unlink()
    assert run_main("train.py", *sweep, folder=tmp_path).returncode == 0
    assert [row["done"] for row in leaderboard(tmp_path / "outputs" / "s")] == ["2"]


@pytest.mark.slow
def test_parallel_jobs_never_share_a_gpu(tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With two made GPUs, on which a job marks its own as busy."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nimport torch\n\ndef count():\n"
        "    return 2 * (sys._getframe(1).f_globals['__name__'] == 'digits.studies.workers')  # not for Lightning\n\n"
        "torch.cuda.device_count = count\n"
    )
    (tmp_path / "busy.py").write_text(
        "import os\nfrom pathlib import Path\nfrom lightning.pytorch import Callback\n\nclass Busy(Callback):\n"
        "    def on_fit_start(self, trainer, pl_module):\n"
        "        self.mark = Path('busy-' + os.environ['CUDA_VISIBLE_DEVICES'])\n"
        "        self.mark.touch(exist_ok=False)\n\n"
        "    def on_fit_end(self, trainer, pl_module):\n"
        "        self.mark.rename(self.mark.name.replace('busy', 'used'))\n"
    )
    allow_targets(tmp_path, monkeypatch, "busy")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    parallel = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=3", "+hydra.launcher.jobs_per_gpu=1"]
    settings = ["seed=0,1,2,3", "trainer.accelerator=auto", "trainer.callbacks=[{_target_:busy.Busy}]"]
    sweep = run_program("train.py", *arguments, *settings, *parallel, folder=tmp_path)
    assert sweep.returncode == 0, sweep.stdout + sweep.stderr
    assert {path.name for path in tmp_path.glob("*-[01]")} == {"used-0", "used-1"}


@pytest.mark.slow
def test_larger_search_continues_a_smaller_one(tmp_path: Path, arguments: list[str]) -> None:
    pytest.importorskip("optuna")
    ranges = ["optimizer=adam,sgd", "optimizer.lr=tag(log,interval(1e-4,1e-1))", "data.batch_size=int(interval(8,32))"]
    folder = tmp_path / "outputs" / "s"
    trials: list[dict[str, Any]] = []
    for count in (1, 2):
        search = [*arguments, *ranges, "seed=0,1", "hydra/sweeper=optuna", f"hydra.sweeper.trials={count}"]
        assert run_main("train.py", *search, folder=tmp_path).returncode == 0
        before, trials = trials, json.loads((folder / "search.json").read_text())
        assert trials[:-1] == before
    rows = {(row["optimizer.lr"], row["data.batch_size"], row["done"]) for row in leaderboard(folder)}
    assert rows == {(f"{trial['optimizer.lr']:g}", str(trial["data.batch_size"]), "2") for trial in trials}


@pytest.fixture(scope="module")
def pruning(arguments: list[str]) -> list[str]:
    """A search in which some trials are unpromising."""
    pytest.importorskip("optuna")
    ranges = ["optimizer.lr=tag(log,interval(1e-6,1e-2))", "optimizer=adam", "trainer.max_epochs=4"]
    search = ["hydra/sweeper=optuna", "hydra.sweeper.trials=8", "hydra.sweeper.at_once=2", "hydra.sweeper.prune=true"]
    return [*arguments, *ranges, *search]


def decisions(folder: Path) -> dict[str, Any]:
    """Proposals, with which results each job was compared, and how it ended."""
    runs = {name: (run["status"], run["epochs"], run.get("val")) for name, run in metrics(folder).items()}
    compared = {path.relative_to(folder): json.loads(path.read_text()) for path in folder.glob("*/earlier_trials.json")}
    return {"search": json.loads((folder / "search.json").read_text()), **runs, **compared}


@pytest.fixture(scope="module")
def pruned(pruning: list[str], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("pruned")
    return folder / "outputs" / "s", run_main("train.py", *pruning, folder=folder)


@pytest.mark.slow
def test_search_prunes_some_trials_and_succeeds(pruned: Finished, pruning: list[str]) -> None:
    folder, search = pruned
    assert search.returncode == 0, search.stderr
    statuses = [run["status"] for run in metrics(folder).values()]
    assert set(statuses) == {"completed", "pruned"}
    rows = leaderboard(folder)
    assert [row["pruned"] for row in rows] == ["0"] * statuses.count("completed") + ["1"] * statuses.count("pruned")
    before = files(folder, "*/*.*")
    again = run_main("train.py", *pruning, folder=folder.parents[1])
    assert (again.returncode, files(folder, "*/*.*")) == (0, before)


@pytest.mark.slow
def test_killed_search_makes_the_same_decisions(tmp_path: Path, pruned: Finished, pruning: list[str]) -> None:
    folder = tmp_path / "outputs" / "s"
    process = start(pruning, tmp_path, folder / "trial-7_seed-0", epochs=1)  # trial 6 has ended
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert run_main("train.py", *pruning, folder=tmp_path).returncode == 0
    assert decisions(folder) == decisions(pruned[0])


@pytest.mark.slow
def test_parallel_search_makes_the_same_decisions(tmp_path: Path, pruning: list[str]) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    search, folder = [*pruning, "hydra.sweeper.at_once=3"], tmp_path / "outputs"
    parallel = ["study=parallel", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert run_main("train.py", *search, folder=tmp_path).returncode == 0
    assert run_program("train.py", *search, *parallel, folder=tmp_path).returncode == 0
    assert decisions(folder / "parallel") == decisions(folder / "s")
    assert "pruned" in {run["status"] for run in metrics(folder / "s").values()}


@pytest.mark.slow
@pytest.mark.usefixtures("drawn_figures")
def test_study_file_is_a_sweep_without_m(tmp_path: Path, arguments: list[str]) -> None:
    settings = [word for word in arguments[1:] if not word.startswith(("model", "augment", "study"))]
    sweep = run_main("train.py", "experiment=study/smoke", *settings, "seed=3", folder=tmp_path)
    assert sweep.returncode == 0, sweep.stderr
    assert {
        (row["optimizer"], row["augment"], row["seeds"]) for row in leaderboard(tmp_path / "outputs" / "smoke")
    } == {(optimizer, augment, "3") for optimizer in ("adam", "adadelta") for augment in ("none", "affine")}


@pytest.mark.slow
def test_equal_values_are_one_job_also_of_an_older_version(tmp_path: Path) -> None:
    small = [*SMALL, "model=mlp", "augment=none", "trainer.max_epochs=1", "+trainer.limit_train_batches=2"]
    first = run_main("train.py", "-m", *small, "label_smoothing=range(0.6,0.8,0.1)", "study=2026_11", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    study = tmp_path / "outputs" / "2026_11"
    named = study / "label_smoothing-0.7_seed-0"
    older = study / "label_smoothing-0.7000000000000001_seed-0"
    metrics = (named / "metrics.json").read_text()
    assert '"label_smoothing": 0.7,' in metrics
    named.rename(older)
    (older / "metrics.json").write_text(metrics.replace('smoothing": 0.7,', 'smoothing": 0.7000000000000001,'))
    again = run_main("train.py", "-m", *small, "label_smoothing=0.60,7e-1", "study=2026_11", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "2 of 2 jobs already completed" in again.stdout
    assert not named.exists()
    with (study / "leaderboard.csv").open() as file:
        assert sorted(row["label_smoothing"] for row in csv.DictReader(file)) == ["0.6", "0.7"]

"""A sweep with a launcher that trains nothing, and that fails as real launchers do."""

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import pytest

from digits.errors import InputError
from digits.runs.fingerprint import fingerprint
from digits.runs.folder import RunFolder, folder_lock
from digits.runs.metrics_file import RunMetrics, write_metrics
from digits.studies.runner import StudyRunner
from digits.studies.study import Job, Study

CONFIG = {"trainer": {"max_epochs": 1}}


class Launcher:
    """Completes the jobs `ends`, leaves the job `orphan` to a thread that completes it later, and raises `error`. After
    a broken pool it completes all jobs."""

    def __init__(self, folder: Path, ends: str = "", orphan: str = "", error: Exception | None = None) -> None:
        self.folder, self.ends, self.orphan, self.error = folder, ends.split(), orphan, error
        self.launched: list[list[str]] = []
        self.thread = threading.Thread(target=self.complete_later)
        self.locked = threading.Event()

    def __call__(self, overrides: Sequence[Sequence[str]], first: int) -> list[object]:
        names = [words[-1].partition("=")[2].strip("'") for words in overrides]
        self.launched.append(names)
        for name in set(names) & set(self.ends):
            self.write(name, "completed")
        if self.orphan:
            self.write(self.orphan, "running")
            self.thread.start()
            assert self.locked.wait(30)
        if isinstance(self.error, BrokenExecutor):
            self.ends = names
        error, self.error = self.error, None
        if error:
            raise error
        return []

    def write(self, name: str, status: str, **more: Any) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        metrics = RunMetrics(status, device="cpu", precision="exact", seconds={"fit": 1.0}, **more)
        write_metrics(metrics, self.folder / name / "metrics.json")

    def complete_later(self) -> None:
        with folder_lock(self.folder / self.orphan, ""):
            self.locked.set()
            time.sleep(1)
            self.write(self.orphan, "completed")


def sweep(launcher: Launcher, sequential: bool = False) -> StudyRunner:
    runner = StudyRunner(Study("s", launcher.folder, {}, ["seed"]), launcher, sequential, total=3)
    folders = [RunFolder(launcher.folder / f"seed-{seed}") for seed in range(3)]
    runner.run([Job(folder, (f"seed={seed}",), {**CONFIG, "seed": seed}) for seed, folder in enumerate(folders)])
    return runner


def names(jobs: list[Job]) -> list[str]:
    return [job.name for job in jobs]


def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def test_sequential_launcher_gets_one_job_at_a_time(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, ends="seed-0 seed-2")
    runner = sweep(launcher, sequential=True)
    assert launcher.launched == [["seed-0"], ["seed-1"], ["seed-2"]]
    assert names(runner.failed) == ["seed-1"]


def test_pruned_job_is_not_a_failure_and_not_launched_again(tmp_path: Path) -> None:
    class Pruning(Launcher):
        def __call__(self, overrides: Sequence[Sequence[str]], first: int) -> list[object]:
            self.write("seed-1", "pruned", reason="early")
            return super().__call__(overrides, first)

    sweep(Pruning(tmp_path, ends="seed-0 seed-2")).finish()
    launcher = Launcher(tmp_path)
    sweep(launcher).finish()
    assert launcher.launched == []


def test_job_is_in_the_leaderboard_while_a_parallel_launcher_still_runs(tmp_path: Path) -> None:
    class Slow(Launcher):
        def __call__(self, overrides: Sequence[Sequence[str]], first: int) -> list[object]:
            super().__call__(overrides, first)
            limit = time.monotonic() + 30
            while not (tmp_path / "leaderboard.csv").exists():
                assert time.monotonic() < limit
                time.sleep(0.05)
            return []

    assert names(sweep(Slow(tmp_path, ends="seed-0")).failed) == ["seed-1", "seed-2"]


def test_job_of_another_process_is_left_alone(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, ends="seed-0 seed-2")
    (tmp_path / "seed-1").mkdir()
    with folder_lock(tmp_path / "seed-1", ""):
        runner = sweep(launcher)
    assert launcher.launched == [["seed-0", "seed-2"]]
    assert not (tmp_path / "seed-1" / "metrics.json").exists()
    with pytest.raises(InputError, match="1 of 3 jobs still running"):
        runner.finish()


def test_result_of_a_job_in_another_process_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, ends="seed-0 seed-2")
    (tmp_path / "seed-1").mkdir()
    with folder_lock(tmp_path / "seed-1", ""):
        runner = sweep(launcher)
    [job] = runner.elsewhere
    assert runner.result(job) is None
    launcher.write("seed-1", "completed")
    assert runner.result(job).metrics.completed


def test_orphan_is_waited_for_and_queued_jobs_are_left_in_their_queue(tmp_path: Path) -> None:
    """As with Slurm: the first job is queued again, the second is running, the third is still queued."""
    launcher = Launcher(tmp_path, orphan="seed-1", error=RuntimeError("lost"))
    launcher.write("seed-0", "failed")
    runner = sweep(launcher)
    launcher.thread.join()
    assert launcher.launched == [["seed-0", "seed-1", "seed-2"]]
    assert metrics(tmp_path / "seed-1")["status"] == "completed"
    assert names(runner.elsewhere) == ["seed-0", "seed-2"]
    assert not (tmp_path / "seed-2").exists()
    with pytest.raises(InputError, match="2 of 3 jobs"):
        runner.finish()


def test_jobs_that_a_broken_pool_dropped_are_launched_again(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, ends="seed-0", error=BrokenExecutor("killed"))
    runner = sweep(launcher)
    assert launcher.launched == [["seed-0", "seed-1", "seed-2"], ["seed-1", "seed-2"]]
    assert (runner.failed, runner.elsewhere) == ([], [])
    runner.finish()


def test_launcher_that_cannot_start_fails_all_its_jobs(tmp_path: Path) -> None:
    runner = sweep(Launcher(tmp_path, error=ValueError("no such cluster")))
    assert names(runner.failed) == ["seed-0", "seed-1", "seed-2"]
    failure = metrics(tmp_path / "seed-2")
    assert (failure["status"], failure["reason"]) == ("failed", "ValueError: no such cluster")
    assert (failure["overrides"], failure["config"], failure["seed"]) == (["seed=2"], {**CONFIG, "seed": 2}, 2)


def test_last_epoch_of_a_killed_job_remains_resumable(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "seed-0")
    run.checkpoints.mkdir(parents=True)
    run.last_checkpoint.touch()
    config = {**CONFIG, "seed": 0}

    class Killed(Launcher):
        def __call__(self, overrides: Sequence[Sequence[str]], first: int) -> list[object]:
            self.write("seed-0", "running", epochs=1, fingerprint=fingerprint(config, "exact"))
            return super().__call__(overrides, first)

    for launcher in (Killed(tmp_path, ends="seed-1 seed-2"), Launcher(tmp_path, error=ValueError("no such cluster"))):
        assert names(sweep(launcher).failed) == ["seed-0"]
        assert (metrics(run.path)["status"], metrics(run.path)["epochs"]) == ("failed", 1)
        assert run.state(config) == "resumable"


def test_leaderboard_that_cannot_be_written_does_not_stop_the_jobs(tmp_path: Path) -> None:
    (tmp_path / "leaderboard.csv").mkdir()
    launcher = Launcher(tmp_path, ends="seed-0 seed-1 seed-2")
    runner = sweep(launcher, sequential=True)
    assert len(launcher.launched) == 3
    with pytest.raises(InputError, match="leaderboard.csv is a folder"):
        runner.finish()

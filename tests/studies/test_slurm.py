"""The states of Slurm jobs, from a made `squeue`."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("submitit")

from hydra.core.utils import JobStatus
from submitit.slurm import slurm

from digits.studies.slurm import QueueJob, QueueWatcher, prepare_slurm


class Queue:
    """Replaces `squeue` by a program that prints the given lines, or fails."""

    def __init__(self, folder: Path) -> None:
        self.output, self.program = folder / "output", folder / "squeue"

    def set(self, *lines: str) -> None:
        self.output.write_text("".join(f"{line}\n" for line in lines))
        self.program.write_text(f"#!/bin/sh\necho >> '{self.output}.calls'\ncat '{self.output}'\n")
        self.program.chmod(0o755)

    def fail(self) -> None:
        self.program.write_text("#!/bin/sh\nexit 1\n")

    def calls(self) -> int:
        return len(Path(f"{self.output}.calls").read_text().splitlines())


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queue:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Queue(tmp_path)


@pytest.fixture
def watcher() -> QueueWatcher:
    watcher = QueueWatcher(delay_s=10)
    for job_id in ("7", "12_0", "12_1", "12_3"):
        watcher.register_job(job_id)
    return watcher


def done(watcher: QueueWatcher) -> list[str]:
    watcher.update()
    return [job_id for job_id in ("7", "12_0", "12_1", "12_3") if watcher.is_done(job_id, mode="cache")]


def test_jobs_that_end_are_done(queue: Queue, watcher: QueueWatcher) -> None:
    queue.set("7|RUNNING", "12_0|PENDING", "12_1|RUNNING", "12_3|PENDING", "99|FAILED")
    assert done(watcher) == []
    queue.set("7|CANCELLED", "12_0|COMPLETED", "12_1|TIMEOUT", "12_3|OUT_OF_MEMORY")
    assert done(watcher) == ["7", "12_0", "12_1", "12_3"]
    assert watcher.get_state("12_1", mode="cache") == "TIMEOUT"


@pytest.mark.parametrize("state", ["COMPLETING", "CONFIGURING", "PENDING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED"])
def test_requeued_job_is_not_done(state: str, queue: Queue, watcher: QueueWatcher) -> None:
    queue.set("12_0|RUNNING")
    assert done(watcher) == []
    queue.set(f"12_0|{state}")
    assert done(watcher) == []


def test_job_that_disappears_is_done(queue: Queue, watcher: QueueWatcher) -> None:
    queue.set("12_0|RUNNING", "12_1|RUNNING")
    done(watcher)
    queue.set("12_1|RUNNING")
    assert done(watcher) == ["12_0"]
    assert "no longer" in watcher.get_state("12_0", mode="cache")


def test_ended_job_keeps_its_state_when_it_disappears(queue: Queue, watcher: QueueWatcher) -> None:
    queue.set("12_0|CANCELLED", "12_1|RUNNING")
    done(watcher)
    queue.set("12_1|RUNNING")
    assert done(watcher) == ["12_0"]
    assert watcher.get_state("12_0", mode="cache") == "CANCELLED"


def test_job_that_is_missing_in_three_lists_is_done(queue: Queue, watcher: QueueWatcher) -> None:
    queue.set("7|RUNNING", "12_0|RUNNING", "12_1|RUNNING")
    assert done(watcher) == []
    assert done(watcher) == []
    assert done(watcher) == ["12_3"]


def test_failing_squeue_changes_nothing(queue: Queue, watcher: QueueWatcher) -> None:
    queue.set("7|RUNNING", "12_0|FAILED")
    done(watcher)
    queue.fail()
    assert done(watcher) == ["12_0"]
    assert watcher.get_state("7", mode="cache") == "RUNNING"


def test_one_call_serves_all_jobs(queue: Queue, watcher: QueueWatcher) -> None:
    queue.set("7|RUNNING", "12_0|RUNNING", "12_1|RUNNING", "12_3|RUNNING")
    for job_id in ("7", "12_0", "12_1", "12_3"):
        watcher.get_state(job_id)
    assert queue.calls() == 1


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Parameters of the launcher, after submitit was changed for this test."""
    monkeypatch.setattr(slurm.SlurmExecutor, "job_class", slurm.SlurmExecutor.job_class)
    monkeypatch.setattr(slurm, "SlurmJob", slurm.SlurmJob)
    monkeypatch.setattr("digits.studies.slurm.RESULT_TIMEOUT_S", 0)
    params = {"timeout_min": 2, "signal_delay_s": 120}
    prepare_slurm(params)
    return params


def error_of(job: QueueJob) -> str:
    (returned,) = job.results()
    assert returned.status == JobStatus.FAILED
    with pytest.raises(RuntimeError) as raised:
        returned.return_value  # noqa: B018
    return str(raised.value)


def test_dead_job_returns_its_state(queue: Queue, tmp_path: Path, prepared: dict[str, Any]) -> None:
    queue.set("12_0|CANCELLED")
    job = QueueJob(tmp_path / "%j", "12_0")
    job.paths.folder.mkdir()
    assert "12_0 ended without a result (CANCELLED)" in error_of(job)


def test_job_that_raised_returns_its_error(queue: Queue, tmp_path: Path, prepared: dict[str, Any]) -> None:
    job = QueueJob(tmp_path / "%j", "7")
    job.paths.folder.mkdir()
    job.paths.result_pickle.write_bytes(pickle.dumps(("error", "Traceback:\n  line 1\nKeyError: 'x'\n")))
    assert error_of(job) == "KeyError: 'x'"


def test_signal_leaves_most_of_a_short_time_limit(prepared: dict[str, Any]) -> None:
    assert prepared["signal_delay_s"] == 30

"""Waits for the jobs of Hydra's Slurm launcher with `squeue`.

submitit uses only `sacct`, which needs Slurm's accounting; without it a sweep waits for a cancelled job forever.
"""

import logging
import math
import os
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

from digits.private_apis.launchers import slurm_outcome, use_slurm_jobs

log = logging.getLogger(__name__)

POLLING_INTERVAL_S = 10
RESULT_TIMEOUT_S = 15
"""How long a shared disk may take to show the result of a job that has ended."""

FORGOTTEN = "no longer in the queue"
FINAL_STATES = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
    FORGOTTEN,
}
"""All other states, such as those of a requeued job, can still lead to a result."""


def prepare_slurm(params: dict[str, Any]) -> None:
    """Changes submitit, and the parameters of Hydra's Slurm launcher. The launcher then waits for all jobs, even if one
    of them dies, and returns the error of each."""
    QueueJob.watcher = QueueWatcher(POLLING_INTERVAL_S)
    use_slurm_jobs(QueueJob)
    # The default, 120 seconds, would requeue a job with a time limit of a minute or two as soon as it starts.
    quarter_of_limit_s = 15 * params["timeout_min"]
    params["signal_delay_s"] = min(params["signal_delay_s"], quarter_of_limit_s)


class QueueWatcher(SlurmInfoWatcher):
    """Reads the states of all jobs with one call of `squeue`. A job that ends remains in its list for some minutes. It
    counts as ended when it disappears, or is missing in three lists. If `squeue` fails, the known states remain.

    Replaces the methods of submitit's watcher that ask for states, so that it needs none of their private data."""

    def __init__(self, delay_s: int) -> None:
        super().__init__(delay_s)
        self.delay_s = delay_s
        self.states: dict[str, str] = {}
        self.running: set[str] = set()
        self.ended_at: dict[str, float] = {}
        self.missing: Counter[str] = Counter()
        self.last_registration = time.monotonic()
        self.last_update = -math.inf

    def register_job(self, job_id: str) -> None:
        if job_id not in self.ended_at:
            self.running.add(job_id)
        self.last_registration = time.monotonic()
        self.last_update = -math.inf

    def get_info(self, job_id: str, mode: str = "standard") -> dict[str, str]:
        if job_id not in self.running and job_id not in self.ended_at:
            self.register_job(job_id)
        self.update_if_long_enough(mode)
        return {"State": self.states.get(job_id, "UNKNOWN")}

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        return self.get_state(job_id, mode) in FINAL_STATES

    def update_if_long_enough(self, mode: str) -> None:
        """Updates often at first, and later every `delay_s` seconds. `cache` never updates, `force` always."""
        if mode == "cache":
            return
        now = time.monotonic()
        delay = min(self.delay_s, max(2.0, (now - self.last_registration) / 2))
        if mode == "force" or now - self.last_update > delay:
            self.update()

    def update(self) -> None:
        if self.running:
            self._read_queue()
        self.last_update = time.monotonic()
        for job_id in list(self.running):
            if self.states.get(job_id) in FINAL_STATES:
                self.running.remove(job_id)
                self.ended_at[job_id] = time.monotonic()

    def _read_queue(self) -> None:
        # Without --jobs, which fails if a job has disappeared.
        command = ["squeue", "--me", "--array", "--states=all", "--noheader", "--format=%i|%T"]
        try:
            squeue = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            reason = getattr(error, "stderr", None) or error
            log.warning(f"squeue failed and is tried again: {reason}")
            return
        listed = {}
        for line in squeue.stdout.split():
            job_id, state = line.split("|")
            listed[job_id] = state
        self.missing.update(self.running - listed.keys())
        for job_id in self.running:
            if job_id in listed:
                self.states[job_id] = listed[job_id]
            elif job_id in self.states or self.missing[job_id] == 3:
                self.states[job_id] = FORGOTTEN


class QueueJob(SlurmJob[JobReturn]):
    """A job that returns its error. submitit's `results` raises if the job has died."""

    watcher: QueueWatcher

    def results(self) -> list[JobReturn]:
        self.wait()
        task = self.task(0)
        if not self._wait_for_file(task.paths.result_pickle):
            state = self.watcher.get_state(self.job_id, mode="cache")
            folder = os.path.relpath(self.paths.folder)
            return [_failed(f"Slurm job {self.job_id} ended without a result ({state}), see {folder}")]
        outcome, result = slurm_outcome(task)
        if outcome == "success":
            return [result]
        traceback = str(result).strip().splitlines()
        return [_failed(traceback[-1] if traceback else "unknown error")]

    def _wait_for_file(self, path: Path) -> bool:
        """Whether the file exists, at the latest `RESULT_TIMEOUT_S` after the end of the job."""
        ended_at = self.watcher.ended_at.get(self.job_id, time.monotonic())
        while not path.exists():
            if time.monotonic() >= ended_at + RESULT_TIMEOUT_S:
                return False
            time.sleep(1)
            self.done()  # refreshes the list of files of a shared disk
        return True


def _failed(reason: str) -> JobReturn:
    failed = JobReturn(status=JobStatus.FAILED)
    failed.return_value = RuntimeError(reason)
    return failed

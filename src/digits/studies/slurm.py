"""Waits for the jobs of Hydra's Slurm launcher with `squeue`.

submitit uses only `sacct`, which needs Slurm's accounting; without it a sweep waits for a cancelled job forever.
"""

import logging
import os
import subprocess
import time
from collections import Counter
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from submitit.core.utils import UncompletedJobError
from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

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
    SlurmJob.watcher = QueueWatcher(POLLING_INTERVAL_S)
    SlurmJob.results = _results  # type: ignore[method-assign, assignment]
    # The default, 120 seconds, would requeue a job with a time limit of a minute or two as soon as it starts.
    quarter_of_limit_s = 15 * params["timeout_min"]
    params["signal_delay_s"] = min(params["signal_delay_s"], quarter_of_limit_s)


class QueueWatcher(SlurmInfoWatcher):
    """Reads the states of all jobs with one call of `squeue`. A job that ends remains in its list for some minutes. It
    counts as ended when it disappears, or is missing in three lists. If `squeue` fails, the known states remain."""

    def __init__(self, delay_s: int) -> None:
        super().__init__(delay_s)
        self.ended_at: dict[str, float] = {}
        self.missing: Counter[str] = Counter()

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        return self.get_state(job_id, mode) in FINAL_STATES

    def update(self) -> None:
        if running := self._registered - self._finished:
            # Without --jobs, which fails if a job has disappeared.
            command = ["squeue", "--me", "--array", "--states=all", "--noheader", "--format=%i|%T"]
            try:
                squeue = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
            except (OSError, subprocess.SubprocessError) as error:
                reason = getattr(error, "stderr", None) or error
                log.warning(f"squeue failed and is tried again: {reason}")
            else:
                listed = dict(line.split("|") for line in squeue.stdout.split())
                self.missing.update(running - listed.keys())
                for job_id in running:
                    if job_id in listed or job_id in self._info_dict or self.missing[job_id] == 3:
                        self._info_dict[job_id] = {"State": listed.get(job_id, FORGOTTEN)}
        self._last_status_check = time.time()
        for job_id in running:
            if self.is_done(job_id, mode="cache"):
                self._finished.add(job_id)
                self.ended_at[job_id] = time.monotonic()


def _results(job: SlurmJob[JobReturn]) -> list[JobReturn]:
    """Replaces `SlurmJob.results`, which raises if the job has died."""
    job.wait()
    watcher, now = job.watcher, time.monotonic()
    ended_at = watcher.ended_at.get(job.job_id, now)  # type: ignore[attr-defined]
    task = job.task(0)
    task._results_timeout_s = max(0, round(ended_at + RESULT_TIMEOUT_S - now))
    try:
        outcome, result = task._get_outcome_and_result()
    except UncompletedJobError:
        state, folder = watcher.get_state(job.job_id, mode="cache"), os.path.relpath(job.paths.folder)
        outcome, result = "error", f"Slurm job {job.job_id} ended without a result ({state}), see {folder}"
    if outcome == "success":
        return [result]
    *_, reason = ["unknown error", *str(result).strip().splitlines()]  # the last line of the traceback
    return [JobReturn(status=JobStatus.FAILED, _return_value=RuntimeError(reason))]

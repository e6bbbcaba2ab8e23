"""A sweep: launches the unfinished jobs of a study, and adds each to the leaderboard when it ends."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass, replace
from datetime import timedelta
from io import StringIO

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus

from digits.errors import InputError, plural
from digits.runs.metrics_file import RunMetrics, write_metrics
from digits.studies.report import LiveLeaderboard, write_digits
from digits.studies.results import RunResult, read_result
from digits.studies.study import Job, Study, changed_since_completed

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Sequence[str]], int], Sequence[object]]
ORPHAN_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Launched:
    """The outcome of a launch: the `reasons` of failed jobs that the launcher knows, and its own `error`."""

    reasons: Mapping[Job, str]
    error: Exception | None = None

    def reason(self, job: Job) -> str:
        """Why a job without a result has failed."""
        if self.error is not None:
            return _one_line(f"{type(self.error).__name__}: {self.error}")
        return self.reasons.get(job, "its process ended without a result")


class StudyRunner:
    """Trains jobs of a study with the method `launch` of a Hydra launcher.

    A `sequential` launcher runs in this process and gets one job at a time. Any other gets all jobs at once, while a
    thread polls their metrics.json. `total` is the number of jobs that the study will have."""

    def __init__(self, study: Study, launch: Launch, sequential: bool, total: int) -> None:
        self.study = study
        self.launch = launch
        self.sequential = sequential
        self.total = total
        self.leaderboard = LiveLeaderboard(study.folder)
        self.start = time.perf_counter()
        self.completed_before = 0
        self.pending: dict[Job, object] = {}  # with the version of their metrics.json before the launch
        self.ended: list[Job] = []
        self.failed: list[Job] = []
        self.elsewhere: list[Job] = []  # in other processes, or still in the queue of a cluster

    def run(self, jobs: Sequence[Job]) -> None:
        """Trains the jobs that are not completed. A failed job does not stop the others."""
        waiting = self._skip_ended(jobs)
        self.pending = {job: _version(job) for job in waiting}
        if self.sequential:
            for job in waiting:
                self._run_batch([job])
        else:
            self._run_batch(waiting)

    def result(self, job: Job) -> RunResult | None:
        """The result of a job; None if it has none. Only the result of a job in another process is read again."""
        return self.leaderboard.known.get(job.folder.path) or read_result(job.folder)

    def finish(self) -> None:
        """Writes and prints the leaderboard, and writes the files on single digits.

        Raises InputError if that fails, or if jobs failed or have not ended."""
        folder = os.path.relpath(self.study.folder)
        total = plural(self.total, "job")
        problems = []
        try:
            board = self.leaderboard.finish()
            log.info(f"\n{board.markdown()}\n{folder}/leaderboard.md, .csv, .png and curves.png")
            for line in write_digits(board, self.study.folder):
                log.info(line)
        except InputError as error:
            problems.append(str(error))
        if self.failed:
            hint = f"failed, see {folder}/<job>/train.log; the same command tries them again"
            problems.append(f"{len(self.failed)} of {total} {hint}")
        if self.elsewhere:
            hint = "still running or queued elsewhere; when they have ended, give the same command again"
            problems.append(f"{len(self.elsewhere)} of {total} {hint}")
        if problems:
            raise InputError(f"{'; '.join(problems)} (study={self.study.name})")

    def _skip_ended(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs to launch. Logs which jobs are not launched, and what has changed since they were completed."""
        waiting = []
        completed = {}
        resumable = 0
        for job in jobs:
            state = job.folder.state(job.config)
            result = read_result(job.folder) if state == "ended" else None
            if result is not None:
                completed[job] = result.metrics
                self.leaderboard.known[result.folder] = result
            elif state == "running":
                log.warning(f"{job.name} is still running in another process and is skipped")
                self.elsewhere.append(job)
            else:
                waiting.append(job)
            if state == "new" and job.folder.metrics_path.exists():
                log.warning(f"{job.folder.metrics_path} is damaged; the job starts again")
            if state == "resumable":
                resumable += 1
        for warning in changed_since_completed(completed):
            log.warning(warning)
        if completed or resumable:
            already = f"{len(completed)} of {plural(len(jobs), 'job')} already completed"
            log.info(f"{already}, {resumable} to resume from the last epoch")
        self.completed_before += len(completed)
        return waiting

    def _run_batch(self, jobs: Sequence[Job]) -> None:
        """Launches jobs until each of them has a result, even if the launcher breaks down."""
        while jobs:
            launched = self._launch(jobs)
            self._poll(jobs)
            jobs = self._settle(jobs, launched)

    def _launch(self, jobs: Sequence[Job]) -> Launched:
        overrides = [self._overrides(job) for job in jobs]
        with nullcontext() if self.sequential else self._polling(jobs):
            try:
                returned = self.launch(overrides, len(self.ended))
                return Launched(_failures(jobs, returned))
            except Exception as error:  # of the launcher: a killed worker, an unreachable cluster
                launched = Launched({}, error)
                log.warning(f"the launcher failed: {launched.reason(jobs[0])}")
                self._wait_for_orphans(jobs)
                return launched

    def _settle(self, jobs: Sequence[Job], launched: Launched) -> list[Job]:
        """Records the failure of jobs without a result. Returns the jobs to launch again."""
        unsettled = [job for job in jobs if job in self.pending]
        not_started = {job for job in unsettled if not self._has_started(job)}
        some_started = len(not_started) < len(jobs)  # else the launcher could launch none
        may_be_queued = launched.error is not None and some_started
        drops_queue = isinstance(launched.error, BrokenExecutor)  # of joblib
        again = []
        for job in unsettled:
            is_queued = may_be_queued and job in not_started
            if is_queued and drops_queue:
                again.append(job)
            elif is_queued or job.folder.is_locked():
                del self.pending[job]
                self.elsewhere.append(job)
            else:
                self._record_failure(job, launched.reason(job))
        return again

    def _overrides(self, job: Job) -> list[str]:
        settings = {
            "name": f"{self.study.name}/{job.name}",
            "hydra.sweep.dir": str(self.study.folder.resolve()),  # a worker may start elsewhere
            "hydra.sweep.subdir": job.name,
        }
        overrides = list(job.overrides)
        for key, text in settings.items():
            overrides.append(f"{key}={QuotedString(text, Quote.single).with_quotes()}")
        return overrides

    @contextmanager
    def _polling(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Polls every second in a thread."""
        stop = threading.Event()

        def poll() -> None:
            while not stop.wait(1):
                self._poll(jobs)

        thread = threading.Thread(target=poll)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _poll(self, jobs: Sequence[Job]) -> None:
        """Reads the results of pending jobs that have ended or failed."""
        for job in jobs:
            if job not in self.pending or not self._has_started(job):
                continue
            metrics = job.folder.metrics()
            if metrics and (metrics.ended or metrics.status == "failed"):
                self._end(job, metrics)

    def _has_started(self, job: Job) -> bool:
        """Whether metrics.json of a pending job was written after the launch."""
        return _version(job) != self.pending[job]

    def _wait_for_orphans(self, jobs: Sequence[Job]) -> None:
        """Waits for jobs that still run although their launcher has failed."""
        last_seen = time.monotonic()
        while time.monotonic() < last_seen + ORPHAN_TIMEOUT_S:
            time.sleep(0.5)
            if any(job.folder.is_locked() for job in jobs if job in self.pending):
                last_seen = time.monotonic()

    def _record_failure(self, job: Job, reason: str) -> None:
        """Writes the failure of a job that could not do so itself. Its last epoch remains resumable."""
        metrics = job.folder.metrics()
        is_of_this_job = self._has_started(job) or job.folder.resumable_checkpoint(metrics, job.config)
        if metrics is None or not is_of_this_job:
            metrics = RunMetrics(
                "running", seed=job.config.get("seed"), overrides=list(job.overrides), config=job.config
            )
        if not metrics.ended:  # else it ended at this moment
            metrics = replace(metrics, status="failed", reason=reason)
            job.folder.path.mkdir(parents=True, exist_ok=True)
            write_metrics(metrics, job.folder.metrics_path)
        self._end(job, metrics)

    def _end(self, job: Job, metrics: RunMetrics) -> None:
        """Logs the result of a job, and adds it to the leaderboard."""
        del self.pending[job]
        self.ended.append(job)
        if not metrics.ended:
            self.failed.append(job)
        count = self.completed_before + len(self.ended) + len(self.elsewhere)
        width = len(str(self.total))
        line = f"{count:>{width}}/{self.total}  {job.name}  {_describe_outcome(metrics)}"
        if count < self.total:
            line += f"; about {self._time_left(count)} left"
        log.info(line)
        self.leaderboard.update(RunResult(job.folder.path, metrics))

    def _time_left(self, count: int) -> timedelta:
        """Estimated from the epochs of the jobs, and from the number of those that a search has not proposed yet."""
        pending_epochs = sum(map(_epochs, self.pending))
        ended_epochs = sum(map(_epochs, self.ended))
        not_proposed = self.total - count - len(self.pending)
        share = pending_epochs / ended_epochs + not_proposed / len(self.ended)
        seconds = time.perf_counter() - self.start
        return timedelta(seconds=round(share * seconds))


def _failures(jobs: Sequence[Job], returned: Sequence[object]) -> dict[Job, str]:
    """The errors of the failed jobs that a launcher returned."""
    reasons = {}
    for job, outcome in zip(jobs, returned, strict=False):
        reason = _failure(outcome)
        if reason:
            reasons[job] = reason
    return reasons


def _failure(outcome: object) -> str | None:
    """The error of a job that a launcher returned; None if it did not fail."""
    if not isinstance(outcome, JobReturn) or outcome.status != JobStatus.FAILED:
        return None
    try:
        with redirect_stderr(StringIO()):  # it also prints the overrides of the job
            outcome.return_value  # noqa: B018
    except Exception as error:
        return str(error)
    return None


def _describe_outcome(metrics: RunMetrics) -> str:
    """`val error 0.31%, 12.3 s`, or the reason of a pruned or failed job."""
    if not metrics.completed:
        return str(metrics.reason) if metrics.ended else f"failed: {_one_line(str(metrics.reason))}"
    seconds = f"{metrics.seconds['fit']:.1f} s"
    if metrics.val:
        return f"val error {metrics.val['error']:.2%}, {seconds}"
    if metrics.test:
        return f"test error {metrics.test['error']:.2%}, {seconds}"
    return seconds


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _version(job: Job) -> tuple[int, int] | None:
    """Changes whenever the metrics of the job are written."""
    try:
        status = job.folder.metrics_path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _epochs(job: Job) -> float:
    epochs = job.config["trainer"].get("max_epochs")
    return max(1.0, float(epochs)) if isinstance(epochs, int | float) else 1.0

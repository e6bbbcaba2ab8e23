"""A sweep: launches the unfinished jobs of a study, and adds each to the leaderboard when it ends."""

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import replace
from datetime import timedelta
from io import StringIO

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus

from digits.errors import InputError
from digits.runs.metrics_file import RunMetrics, write_metrics
from digits.studies.report import LiveLeaderboard, write_digits
from digits.studies.study import Job, Study, changed_since_completed, plural

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Sequence[str]], int], Sequence[object]]
ORPHAN_TIMEOUT_S = 3.0


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
        by_state = defaultdict(list)
        for job in jobs:
            by_state[job.folder.state(job.config)].append(job)
        completed, running, resumable = by_state["ended"], by_state["running"], by_state["resumable"]
        damaged = [job.folder.metrics_path for job in by_state["new"] if job.folder.metrics_path.exists()]
        warnings = [f"{path} is damaged; the job starts again" for path in damaged]
        warnings += [f"{job.name} is still running in another process and is skipped" for job in running]
        for warning in warnings + changed_since_completed(completed):
            log.warning(warning)
        if completed or resumable:
            already = f"{len(completed)} of {plural(len(jobs), 'job')} already completed"
            log.info(f"{already}, {len(resumable)} to resume from the last epoch")
        self.completed_before += len(completed)
        self.elsewhere += running
        settled = {*completed, *running}
        self.pending = {job: _version(job) for job in jobs if job not in settled}
        for batch in [[job] for job in self.pending] if self.sequential else [list(self.pending)]:
            self._run_batch(batch)

    def finish(self) -> None:
        """Writes and prints the leaderboard, and writes the files on single digits.

        Raises InputError if that fails, or if jobs failed or have not ended."""
        folder, total = os.path.relpath(self.study.folder), plural(self.total, "job")
        problems = []
        try:
            board = self.leaderboard.finish()
            log.info(f"\n{board.markdown()}\n{folder}/leaderboard.md, .csv, .png and curves.png")
            for line in write_digits(board, self.study.folder):
                log.info(line)
        except InputError as error:
            problems.append(str(error))
        hint = f"failed, see {folder}/<job>/train.log; the same command tries them again"
        problems += [f"{len(self.failed)} of {total} {hint}"] if self.failed else []
        hint = "still running or queued elsewhere; when they have ended, give the same command again"
        problems += [f"{len(self.elsewhere)} of {total} {hint}"] if self.elsewhere else []
        if problems:
            raise InputError(f"{'; '.join(problems)} (study={self.study.name})")

    def _run_batch(self, jobs: list[Job]) -> None:
        """Launches jobs until each of them has a result, even if the launcher breaks down."""
        while jobs:
            error, reason, reasons = None, "its process ended without a result", {}
            with nullcontext() if self.sequential else self._polling(jobs):
                try:
                    returned = self.launch([self._overrides(job) for job in jobs], len(self.ended))
                    for job, outcome in zip(jobs, returned, strict=False):
                        if failure := _failure(outcome):
                            reasons[job] = failure
                except Exception as raised:  # of the launcher: a killed worker, an unreachable cluster
                    error, reason = raised, " ".join(f"{type(raised).__name__}: {raised}".split())
                    log.warning(f"the launcher failed: {reason}")
                    self._wait_for_orphans(jobs)
            self._poll(jobs)
            queued = [job for job in jobs if job in self.pending and _version(job) == self.pending[job]]
            if error is None or len(queued) == len(jobs):  # all jobs were launched, or none could be
                queued = []
            relaunched = queued if isinstance(error, BrokenExecutor) else []  # joblib drops its queue
            for job in [job for job in jobs if job in self.pending and job not in relaunched]:
                if job in queued or job.folder.is_locked():
                    del self.pending[job]
                    self.elsewhere.append(job)
                else:
                    self._record_failure(job, reasons.get(job, reason))
            jobs = relaunched

    def _overrides(self, job: Job) -> list[str]:
        name, folder = f"{self.study.name}/{job.name}", str(self.study.folder.resolve())  # a worker may start elsewhere
        settings = {"name": name, "hydra.sweep.dir": folder, "hydra.sweep.subdir": job.name}
        quoted = (f"{key}={QuotedString(text, Quote.single).with_quotes()}" for key, text in settings.items())
        return [*job.overrides, *quoted]

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
        for job in [job for job in jobs if job in self.pending]:
            metrics = job.folder.metrics() if _version(job) != self.pending[job] else None
            if metrics and (metrics.ended or metrics.status == "failed"):
                self._end(job, metrics)

    def _wait_for_orphans(self, jobs: Sequence[Job]) -> None:
        """Waits for jobs that still run although their launcher has failed."""
        last_seen = time.monotonic()
        while time.monotonic() < last_seen + ORPHAN_TIMEOUT_S:
            time.sleep(0.5)
            if any(job.folder.is_locked() for job in jobs if job in self.pending):
                last_seen = time.monotonic()

    def _record_failure(self, job: Job, reason: str) -> None:
        """Writes the failure of a job that could not do so itself. Its last epoch remains resumable."""
        started = _version(job) != self.pending[job]
        metrics = job.folder.metrics()
        if not started and not job.folder.resumable_checkpoint(metrics, job.config):
            metrics = None
        new = RunMetrics("failed", seed=job.config.get("seed"), overrides=list(job.overrides), config=job.config)
        if metrics is None or not metrics.ended:  # else it ended at this moment
            metrics = replace(metrics or new, status="failed", reason=reason)
            job.folder.path.mkdir(parents=True, exist_ok=True)
            write_metrics(metrics, job.folder.metrics_path)
        self._end(job, metrics)

    def _end(self, job: Job, metrics: RunMetrics) -> None:
        del self.pending[job]
        self.ended.append(job)
        if metrics.completed:
            score = metrics.val or metrics.test
            error = f"{'val' if metrics.val else 'test'} error {score['error']:.2%}, " if score else ""
            outcome = f"{error}{metrics.seconds['fit']:.1f} s"
        elif metrics.ended:
            outcome = str(metrics.reason)
        else:
            self.failed.append(job)
            outcome = f"failed: {' '.join(str(metrics.reason).split())}"
        count = self.completed_before + len(self.ended) + len(self.elsewhere)
        time_left = f"; about {self._time_left(count)} left" if count < self.total else ""
        log.info(f"{count:>{len(str(self.total))}}/{self.total}  {job.name}  {outcome}{time_left}")
        self.leaderboard.update(job.folder)

    def _time_left(self, count: int) -> timedelta:
        """Estimated from the epochs of the jobs, and from the number of those that a search has not proposed yet."""
        share = sum(map(_epochs, self.pending)) / sum(map(_epochs, self.ended))
        share += (self.total - count - len(self.pending)) / len(self.ended)
        return timedelta(seconds=round(share * (time.perf_counter() - self.start)))


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

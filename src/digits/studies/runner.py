"""A sweep: the jobs of a study that are not finished, launched, watched, and put into the leaderboard one by one."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

from digits.errors import InputError
from digits.files import write_json
from digits.runs.fingerprint import fingerprint
from digits.runs.folder import resumable_checkpoint
from digits.studies.leaderboard import Leaderboard, read_results
from digits.studies.report import write_curves, write_leaderboard
from digits.studies.study import Job, Study

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Sequence[str]]], Sequence[object]]  # overrides of jobs -> what Hydra returns of each
QUIET = 3.0  # seconds without a job at work after which none is waited for


class StudyRunner:
    """Runs jobs of a study with a Hydra launcher.

    `launch` starts jobs and returns when all have ended; `one_by_one` is whether it does so in this process, one after
    the other: then it is called for one job at a time. `total` is how many jobs the study is to have.
    """

    def __init__(self, study: Study, launch: Launch, one_by_one: bool, total: int) -> None:
        self.study = study
        self.launch = launch
        self.one_by_one = one_by_one
        self.total = total
        self.running: dict[Job, str | None] = {}  # jobs to be ended by this sweep, and how their metrics were before
        self.failed: list[Job] = []
        self.elsewhere: list[Job] = []  # in the hands of other processes, or still in a cluster's queue
        self.ended = 0  # jobs that need nothing more, or are elsewhere
        self.done = 0  # of them by this sweep
        self.work_done = self.work_left = 0.0
        self.began = time.perf_counter()
        self.unwritten: str | None = None

    def run(self, jobs: Sequence[Job]) -> None:
        """Finishes the jobs. A job that fails is counted, and does not stop the others."""
        study = self.study
        finished = [job for job in jobs if study.status(job) == "completed"]
        elsewhere = [job for job in jobs if job not in finished and study.is_running(job)]
        todo = [job for job in jobs if job not in finished and job not in elsewhere]
        for line in [*study.damaged(todo), *study.departures(finished)]:
            log.warning(line)
        for job in elsewhere:
            log.warning(f"{job.name} is still being trained by a process of an earlier sweep and is left to it")
        resumed = [job for job in todo if resumable_checkpoint(study.folder / job.name, job.settings)]
        if finished or resumed:
            before = f"{len(finished)} of {len(jobs)} jobs finished before"
            log.info(f"{before}, {len(resumed)} to go on from their last epoch")
        self.elsewhere += elsewhere
        self.ended += len(finished) + len(elsewhere)
        self.work_left += sum(map(_work, todo))
        self.running = {job: self._signature(job) for job in todo}
        for batch in [[job] for job in todo] if self.one_by_one else [todo]:
            self._run_batch(batch)

    def _run_batch(self, jobs: list[Job]) -> None:
        """Launches jobs together, and settles what has become of each, whatever has become of the launcher."""
        while jobs:
            reason, error = "its process ended without a result", None
            with self._watching():
                try:
                    returned = self.launch([self._overrides(job) for job in jobs])
                    errors = [str(value) for one in returned if isinstance(value := _value(one), Exception)]
                    reason = "; ".join(dict.fromkeys(errors)) or reason
                except Exception as raised:  # a launcher's own: a worker that was killed, a cluster that is not there
                    error, reason = raised, " ".join(f"{type(raised).__name__}: {raised}".split())
            if error is not None and not self.one_by_one:
                self._outlast(jobs)
            self.look()
            left = [job for job in jobs if job in self.running]
            begun = [job for job in left if self._signature(job) != self.running[job]]
            rest = [job for job in left if job not in begun]
            if error is None or len(rest) == len(jobs):  # all were launched, or none: it could not even begin
                begun, rest = left, []
            for job in begun:
                self._give_up(job, reason)
            jobs = rest if isinstance(error, BrokenExecutor) else []  # joblib, which has dropped them
            if rest and not jobs:
                log.warning(f"{reason}: {len(rest)} jobs that had not begun are left to the queue that they are in")
                self._leave(rest)

    def _overrides(self, job: Job) -> list[str]:
        """What the launcher composes the job from; the folder is absolute because a cluster starts jobs elsewhere."""
        name, folder = quote_override(f"{self.study.name}/{job.name}"), quote_override(str(self.study.folder.resolve()))
        return [*job.overrides, f"name={name}", f"hydra.sweep.dir={folder}", f"hydra.sweep.subdir={job.name}"]

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Looks every second, where this process only waits for others."""
        if self.one_by_one:
            yield
            return
        over = threading.Event()

        def watch() -> None:
            while not over.wait(1):
                self.look()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _outlast(self, jobs: Sequence[Job]) -> None:
        """Waits for jobs that go on although their launcher has given up."""
        seen = time.monotonic()
        while time.monotonic() < seen + QUIET:
            time.sleep(0.5)
            self.look()
            if any(self.study.is_running(job) for job in jobs if job in self.running):
                seen = time.monotonic()

    def look(self) -> None:
        """Says which jobs have ended since the last look, and puts them into the leaderboard."""
        changed = [job for job, before in self.running.items() if self._signature(job) not in (before, None)]
        news = [job for job in changed if self.study.status(job) in ("completed", "failed")]
        for job in news:
            self._end(job)
        if news:
            self.write()

    def _end(self, job: Job) -> None:
        metrics = self.study.metrics(job)
        del self.running[job]
        self.ended += 1
        self.done += 1
        self.work_done += _work(job)
        self.work_left -= _work(job)
        if metrics["status"] == "completed":
            stage = "val" if "val" in metrics else "test"
            outcome = f"{stage} error {metrics[stage]['error']:.2%}" if stage in metrics else "done"
            outcome += f", {metrics['seconds']['fit']:.1f} s"
        else:
            self.failed.append(job)
            outcome = f"failed: {' '.join(str(metrics['reason']).split())}"
        unknown = self.total - self.ended - len(self.running)  # what a search has not proposed yet
        work = self.work_left + unknown * self.work_done / self.done
        left = (time.perf_counter() - self.began) / self.work_done * work
        rest = f"; about {_duration(left)} left" if work > 0 else ""
        log.info(f"{self.ended:>{len(str(self.total))}}/{self.total}  {job.name}  {outcome}{rest}")

    def _give_up(self, job: Job, reason: str) -> None:
        """A job that was launched and has ended without a word gets its row all the same."""
        if self.study.is_running(job):
            self._leave([job])
            return
        if self.study.status(job) not in ("completed", "failed") or self._signature(job) == self.running[job]:
            metrics = {
                "status": "failed",
                "seed": job.settings.get("seed"),
                "overrides": list(job.overrides),
                "config": job.settings,
                "fingerprint": fingerprint(job.settings),
                "reason": reason,
            }
            (self.study.folder / job.name).mkdir(parents=True, exist_ok=True)
            write_json(metrics, self.study.folder / job.name / "metrics.json")
        self._end(job)
        self.write()

    def _leave(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            del self.running[job]
            self.work_left -= _work(job)
        self.elsewhere += jobs
        self.ended += len(jobs)

    def write(self) -> Leaderboard | None:
        """Rewrites the leaderboard. Where it cannot be, says so once: the jobs go on."""
        try:
            board = Leaderboard(self.study.folder.name, *read_results([self.study.folder]))
            write_leaderboard(board, self.study.folder)
        except InputError as error:
            if self.unwritten is None:
                log.warning(str(error))
            self.unwritten = str(error)
            return None
        self.unwritten = None
        return board

    def close(self) -> None:
        """Prints the table. Raises InputError if jobs failed or are not finished, or the table could not be written."""
        folder = os.path.relpath(self.study.folder)
        problems = []
        if board := self.write():
            write_curves(board, self.study.folder)
            log.info(f"\n{board.markdown()}\n{folder}/leaderboard.md, .csv, .png and curves.png")
        else:
            problems.append(str(self.unwritten))
        if self.failed:
            count, more = len(self.failed), f"{folder}/<job>/train.log tells more"
            problems.append(f"{count} of {self.total} jobs failed; {more}, and the same command tries them again")
        if self.elsewhere:
            count = len(self.elsewhere)
            problems.append(
                f"{count} of {self.total} jobs are in other hands; once they end, give the same command again"
            )
        if problems:
            raise InputError(f"{'; '.join(problems)} (study={self.study.name})")

    def _signature(self, job: Job) -> str | None:
        """Changes whenever the job's metrics are written."""
        try:
            status = (self.study.folder / job.name / "metrics.json").stat()
        except OSError:
            return None
        return f"{status.st_ino} {status.st_mtime_ns}"


def quote_override(text: str) -> str:
    """As a Hydra override takes any text."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)  # a backslash stands for itself, but not before a quote
    return f"'{escaped}'"


def _value(returned: object) -> object:
    """Of a JobReturn, the value or the exception; asking for its `return_value` would raise the latter."""
    return getattr(returned, "_return_value", None)


def _work(job: Job) -> float:
    """How long a job takes, next to others: by its epochs."""
    epochs = job.settings["trainer"].get("max_epochs")
    return max(1.0, float(epochs)) if isinstance(epochs, int | float) else 1.0


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

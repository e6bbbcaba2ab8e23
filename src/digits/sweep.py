"""A sweep: the jobs of a study that are not finished, launched, watched, and put into the leaderboard one by one."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from digits.errors import InputError
from digits.fingerprint import fingerprint
from digits.leaderboard import Leaderboard, read_results
from digits.report import write_curves, write_leaderboard
from digits.study import Job, Study, half_done
from digits.whole_file import write_json

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Sequence[str]]], Sequence[object]]  # overrides of jobs -> what Hydra returns of each


class Sweep:
    """Runs jobs of a study with a Hydra launcher.

    `launch` starts jobs and returns when all have ended; `one_by_one` is whether it does so in this process, one after
    the other: then it is called for one job at a time. `total` is how many jobs the study is to have.
    """

    def __init__(self, study: Study, launch: Launch, one_by_one: bool, total: int) -> None:
        self.study = study
        self.launch = launch
        self.one_by_one = one_by_one
        self.total = total
        self.ended = 0  # jobs that need nothing more, or are in other hands
        self.done = 0  # of them in this sweep
        self.began = time.perf_counter()
        self.work_done = 0.0
        self.work_left = 0.0
        self.running: dict[Job, str | None] = {}
        self.failed: list[Job] = []
        self.unwritten: str | None = None

    def run(self, jobs: Sequence[Job]) -> None:
        """Finishes the jobs. A job that fails is counted, and does not stop the others."""
        study = self.study
        finished = [job for job in jobs if (study.metrics(job) or {}).get("status") == "completed"]
        elsewhere = [job for job in jobs if job not in finished and study.is_running(job)]
        todo = [job for job in jobs if job not in finished and job not in elsewhere]
        self.ended += len(finished) + len(elsewhere)
        for line in study.departures(finished):
            log.warning(line)
        for job in elsewhere:
            log.warning(f"{job.name} is still being trained by a process of an earlier sweep and is left to it")
        self.failed += elsewhere
        resumed = [job for job in todo if half_done(study.folder / job.name, job.settings)]
        if finished or resumed:
            log.info(
                f"{len(finished)} of {len(jobs)} jobs finished before, {len(resumed)} to go on from their last epoch"
            )
        self.work_left += sum(map(_work, todo))
        self.running = {job: self._signature(job) for job in todo}
        for batch in [[job] for job in todo] if self.one_by_one else [todo]:
            self._run_batch(batch)

    def _run_batch(self, jobs: list[Job]) -> None:
        """Launches jobs together. If the launcher breaks down, a worker killed by the system for instance, those that
        had begun are its failed jobs, and the others are launched again."""
        while jobs:
            with self._watching():
                reason = self._launched([self._overrides(job) for job in jobs])
            self.look()
            left = [job for job in jobs if job in self.running]
            begun = [job for job in left if self._signature(job) != self.running[job]]
            for job in begun or left:
                self._give_up(job, reason)
            jobs = [job for job in left if job in self.running]

    def _overrides(self, job: Job) -> list[str]:
        name = quoted(f"{self.study.folder.name}/{job.name}")
        return [*job.overrides, f"name={name}", f"hydra.sweep.subdir={job.name}"]

    def _launched(self, overrides: Sequence[Sequence[str]]) -> str:
        """Launches; returns why a job that has left nothing may have ended."""
        try:
            returns = self.launch(overrides)
        except (KeyboardInterrupt, SystemExit):
            raise
        except Exception as error:  # a launcher's own: a worker that was killed, a cluster that is not there
            return " ".join(f"{type(error).__name__}: {error}".split())
        errors = [str(value) for job in returns if isinstance(value := getattr(job, "_return_value", None), Exception)]
        return "; ".join(dict.fromkeys(errors)) or "its process ended without a result"

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

    def look(self) -> None:
        """Says which jobs have ended since the last look, and puts them into the leaderboard."""
        news = [job for job, before in self.running.items() if self._signature(job) not in (before, None)]
        news = [job for job in news if (self.study.metrics(job) or {}).get("status", "running") != "running"]
        for job in news:
            self._end(job)
        if news:
            self.write()

    def _end(self, job: Job) -> None:
        metrics = self.study.metrics(job) or {}
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
            outcome = f"{metrics['status']}: {' '.join(str(metrics.get('reason', '')).split())}"
        unknown = self.total - self.ended - len(self.running)  # what a search has not proposed yet
        work = self.work_left + unknown * self.work_done / self.done
        left = (time.perf_counter() - self.began) / self.work_done * work
        rest = f"; about {_duration(left)} left" if work > 0 else ""
        log.info(f"{self.ended:>{len(str(self.total))}}/{self.total}  {job.name}  {outcome}{rest}")

    def _give_up(self, job: Job, reason: str) -> None:
        """A job that was launched and has ended without a word gets its row all the same."""
        metrics = {
            "status": "failed",
            "seed": job.settings["seed"],
            "overrides": list(job.overrides),
            "config": job.settings,
            "fingerprint": fingerprint(job.settings),
            "reason": reason,
        }
        (self.study.folder / job.name).mkdir(exist_ok=True)
        write_json(metrics, self.study.folder / job.name / "metrics.json")
        self._end(job)
        self.write()

    def write(self) -> Leaderboard:
        """Rewrites the leaderboard. Where it cannot be written, says so once: the jobs go on."""
        board = Leaderboard(self.study.folder.name, *read_results([self.study.folder]))
        try:
            write_leaderboard(board, self.study.folder)
            self.unwritten = None
        except InputError as error:
            if self.unwritten is None:
                log.warning(str(error))
            self.unwritten = str(error)
        return board

    def close(self) -> None:
        """Prints the table. Raises InputError if a job failed or the table could not be written."""
        board = self.write()
        if not self.unwritten:
            write_curves(board, self.study.folder)
        folder = os.path.relpath(self.study.folder)
        log.info(f"\n{board.markdown()}\n{folder}/leaderboard.md, .csv, .png and curves.png")
        if self.failed:
            raise InputError(
                f"{len(self.failed)} of {self.total} jobs failed; {folder}/<job>/train.log tells more, and the same "
                f"command with study={self.study.folder.name} tries only them again"
            )
        if self.unwritten:
            raise InputError(self.unwritten)

    def _signature(self, job: Job) -> str | None:
        """Changes whenever the job's metrics are written."""
        try:
            status = (self.study.folder / job.name / "metrics.json").stat()
        except OSError:
            return None
        return f"{status.st_ino} {status.st_mtime_ns}"


def quoted(text: str) -> str:
    """As a Hydra override takes any text."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)  # Hydra reads backslashes as such, but not before a quote
    return f"'{escaped}'"


def _work(job: Job) -> float:
    """How long a job takes, next to others: by its epochs."""
    return float(job.settings["trainer"]["max_epochs"])


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

"""Worker processes that try one input after the other; the parent watches their time and their memory."""

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import NamedTuple

from digits.errors import InputError

MAX_GIB = 2
FORK = get_context("fork")  # a worker inherits the imported libraries


class Outcome(NamedTuple):
    """The column of the table, and an explanation."""

    cell: str
    detail: str = ""


RIGHT = Outcome("accepted, right")


def refusal(message: str) -> Outcome:
    """A clear refusal is one printable line of at most 300 characters."""
    return Outcome(
        "refused in one line" if message.isprintable() and len(message) <= 300 else "unclear message", message
    )


class FaultError(Exception):
    """A result that is neither right nor a refusal."""

    def __init__(self, cell: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = Outcome(cell, detail)


Check = Callable[[Random, Path], list[Outcome] | None]


class Kind(NamedTuple):
    """A row of the table. `check` makes an input from a random generator and the folder of the undamaged files, and
    tries it in the working folder. It returns None if the project accepts the input and is right, or the outcomes of
    several trials. It raises InputError for a refusal, FaultError for a wrong result."""

    title: str
    check: Check | list[Check]  # a list has a check for each number
    share: int  # of the inputs, or of the kills
    limit: float = 30  # seconds


class Case(NamedTuple):
    """For the same seed, a number of a kind is always the same input."""

    kind: str
    number: int


def run_cases(
    kinds: dict[str, Kind], cases: Iterable[Case], seed: int, folder: Path, count: int = 2
) -> Iterator[tuple[Case, list[Outcome]]]:
    """Yields the outcomes of all cases, which `count` workers share. `folder` holds the folder `originals`."""
    cases = iter(cases)
    workers = [_Worker(kinds, seed, folder / f"worker-{number}") for number in range(count)]
    try:
        while busy := [worker for worker in workers if worker.case or worker.give(next(cases, None))]:
            wait([worker.pipe for worker in busy], timeout=0.1)
            for worker in busy:
                if worker.case and (outcomes := worker.outcomes()):
                    yield worker.case, outcomes
                    worker.case = None
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    def __init__(self, kinds: dict[str, Kind], seed: int, folder: Path) -> None:
        self.kinds, self.seed, self.folder = kinds, seed, folder
        self.case: Case | None = None
        folder.mkdir()
        self.start()

    def start(self) -> None:
        self.pipe, pipe = FORK.Pipe()
        self.process = FORK.Process(target=self.serve, args=(pipe,))
        self.process.start()
        pipe.close()
        self.pipe.recv()  # the worker has a process group of its own: `stop` ends its children too

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.join()

    def give(self, case: Case | None) -> Case | None:
        if case:
            self.pipe.send(case)
            self.case, self.deadline = case, time.monotonic() + self.kinds[case.kind].limit
        return case

    def outcomes(self) -> list[Outcome] | None:
        """None while the case runs. A worker that takes too long or too much memory is replaced."""
        try:
            peak = _peak_gib(self.process.pid)
            result: list[Outcome] | None = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            self.process.join()
            fault = Outcome("traceback", f"its process died with status {self.process.exitcode}")
        else:
            if peak > MAX_GIB:
                fault = Outcome("over 2 GB", f"{peak:.1f} GiB")
            elif result or time.monotonic() < self.deadline:
                return result
            else:
                fault = Outcome("hang (> 30 s)", "no result in time")
        self.stop()
        self.start()
        return [fault]

    def serve(self, pipe: Connection) -> None:
        """The side of the worker."""
        os.setpgrp()
        pipe.send("ready")
        os.chdir(self.folder)
        with open(f"{self.folder}.txt", "w+b", buffering=0) as output, suppress(EOFError):
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            while case := pipe.recv():
                for path in Path().iterdir():
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                output.truncate(0)
                outcomes = self.attempt(case)
                sys.stdout.flush()
                output.seek(0)
                if (text := output.read(1000)) and outcomes[0].cell in (RIGHT.cell, "refused in one line"):
                    outcomes[0] = Outcome("unclear message", f"a library prints {text!r}; {outcomes[0].detail}")
                pipe.send(outcomes)

    def attempt(self, case: Case) -> list[Outcome]:
        check = self.kinds[case.kind].check
        try:
            check = check[case.number] if isinstance(check, list) else check
            outcomes = check(Random(f"{self.seed}:{case.kind}:{case.number}"), Path("../originals"))
        except InputError as error:
            outcomes = [refusal(str(error))]
        except FaultError as fault:
            outcomes = [fault.outcome]
        except BaseException:
            outcomes = [Outcome("traceback", traceback.format_exc())]
        executed = [Outcome("executed", "code in the file was executed")] if Path("canary").exists() else None
        return executed or outcomes or [RIGHT]


def _peak_gib(pid: int | None) -> float:
    """The largest memory that the process has held so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20 if "VmHWM:" in status else 0.0

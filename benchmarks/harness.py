"""The benchmark harness: runs several programs in alternating rounds on one machine and compares their measurements."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

PROJECT = Path(__file__).parent.parent
PROJECT_NAME = "Digits"
PEERS_PYTHON = Path(os.environ.get("PEERS_PYTHON", PROJECT / ".venv-peers" / "bin" / "python"))
MEASURE_PROCESS = [sys.executable, "-S", str(PROJECT / "benchmarks" / "measure_process.py")]

Measurement = dict[str, float]
T = TypeVar("T")


class MissingError(Exception):
    """A program cannot run; the message is the reason."""


class Benchmark(NamedTuple):
    """Measurements of several programs: for each program one dict of quantities per round."""

    title: str
    quantity: str
    """the quantity to compare: higher is better if its name ends in /s, otherwise lower"""
    rounds: dict[str, list[Measurement]]
    missing: dict[str, str]
    """program -> reason"""

    def values(self, program: str, quantity: str | None = None) -> list[float]:
        return [measurement[quantity or self.quantity] for measurement in self.rounds[program]]

    def speedups(self, program: str) -> list[float]:
        """Ratio of this project to the program in each round; above 1, this project is better."""
        pairs = zip(self.values(PROJECT_NAME), self.values(program), strict=True)
        higher_is_better = self.quantity.endswith("/s")
        return [own / other if higher_is_better else other / own for own, other in pairs]


def run_benchmark(title: str, quantity: str, programs: Sequence["Worker | Command"], rounds: int) -> Benchmark:
    """Measures each program once per round. A program that cannot run is recorded as missing; the others continue."""
    measured: dict[str, list[Measurement]] = {}
    missing: dict[str, str] = {}

    def attempt(program: "Worker | Command", step: Callable[[], T]) -> T | None:
        try:
            return step()
        except MissingError as reason:
            missing[program.name] = str(reason)
            measured.pop(program.name, None)
            print(f"  missing: {program.name}, {reason}", flush=True)
            return None

    print(f"{title}: {quantity}", flush=True)
    with ExitStack() as stack:
        for program in programs:
            attempt(program, partial(stack.enter_context, program))
        for _ in range(rounds):
            for program in programs:
                if program.name not in missing and (measurement := attempt(program, program.measure)):
                    measured.setdefault(program.name, []).append(measurement)
            print("  " + ", ".join(f"{name} {done[-1][quantity]:,.4g}" for name, done in measured.items()), flush=True)
    return Benchmark(title, quantity, measured, missing)


class Worker:
    """A process that prepares once and measures on request: `python -m module arguments`, see benchmarks/worker.py."""

    def __init__(self, name: str, module: str, *arguments: object, python: Path | str = sys.executable) -> None:
        self.name = name
        self.command = [str(python), "-m", module, *map(str, arguments)]

    def __enter__(self) -> "Worker":
        _require_environment(self.command[0])
        self.errors = tempfile.TemporaryFile("w+")  # a pipe that nobody reads would block the process when full
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self.command, stdin=pipe, stdout=pipe, stderr=self.errors, text=True, cwd=PROJECT, env=_environment()
        )
        self._read_line()
        return self

    def measure(self) -> Measurement:
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        measurement: Measurement = json.loads(self._read_line())
        return measurement

    def __exit__(self, *_: object) -> None:
        self.process.communicate()
        self.errors.close()

    def _read_line(self) -> str:
        assert self.process.stdout is not None
        if line := self.process.stdout.readline():
            return line
        code = self.process.wait()
        self.errors.seek(0)
        raise MissingError(_last_line(self.errors.read(), code))


class Command:
    """Measures a whole process per round, from start to end: seconds, and peak memory in MB."""

    def __init__(self, name: str, *command: object) -> None:
        self.name = name
        self.command = list(map(str, command))

    def __enter__(self) -> "Command":
        _require_environment(self.command[0])
        self.measure()  # warm-up: loads the files into the page cache
        return self

    def measure(self) -> Measurement:
        command = [*MEASURE_PROCESS, *self.command]
        done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=_environment())
        if done.returncode:
            raise MissingError(_last_line(done.stderr, done.returncode))
        measurement: Measurement = json.loads(done.stdout)
        return measurement

    def __exit__(self, *_: object) -> None: ...


def _require_environment(python: str) -> None:
    if not Path(python).exists():
        raise MissingError(f"no environment for it at {os.path.relpath(python, PROJECT)}: `make peers`")


def _environment() -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def _last_line(stderr: str, code: int) -> str:
    return stderr.strip().rpartition("\n")[2] or f"exit status {code}"

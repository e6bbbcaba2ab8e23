"""Contests: the same work done by several programs, in turn, several times each, on the same machine in one run."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Protocol

HERE = Path(__file__).parent
LAUNCHER = [sys.executable, "-S", str(HERE / "launch.py")]
PROJECT = HERE.parent
PEERS_PYTHON = Path(os.environ.get("PEERS_PYTHON", PROJECT / ".venv-peers" / "bin" / "python"))
US = "Digits"


class MissingError(Exception):
    """A contender that cannot take part, and why."""


class Contender(Protocol):
    """Something whose turns can be measured: each gives its quantities by name, among them the contest's."""

    name: str

    def __enter__(self) -> "Contender":
        """Prepares what is not to be measured. Raises MissingError."""

    def turn(self) -> dict[str, float]: ...

    def __exit__(self, *_: object) -> None: ...


class Contest(NamedTuple):
    """What was measured: of each contender its quantities, one value a turn."""

    title: str
    quantity: str
    """the one that the contenders are compared by: more is better if it ends in /s, else less"""
    turns: dict[str, list[dict[str, float]]]
    missing: dict[str, str]
    """contender: reason"""

    def values(self, contender: str, quantity: str | None = None) -> list[float]:
        return [turn[quantity or self.quantity] for turn in self.turns[contender]]

    def advantages(self, contender: str) -> list[float]:
        """How many times as fast, or as small, as this contender Digits is: a ratio for each turn."""
        pairs = zip(self.values(US), self.values(contender), strict=True)
        more = self.quantity.endswith("/s")
        return [ours / theirs if more else theirs / ours for ours, theirs in pairs]

    def table(self) -> list[str]:
        """Lines of Markdown: medians, the smallest and largest turn, and the median of the ratios within a turn."""
        quantities = next(iter(self.turns.values()), [{}])[0]  # those that end with a number belong to an epoch
        others = [name for name in quantities if name != self.quantity and not name[-1].isdigit()]
        head = [self.title, self.quantity, "lowest – highest", *others]
        rows = []
        for name in self.turns:
            values = self.values(name)
            row = [name, figure(median(values)), f"{figure(min(values))} – {figure(max(values))}"]
            row += [figure(median(self.values(name, other))) for other in others]
            rows.append(row)
        if US in self.turns and len(rows) > 1:
            head.append(f"{US} is")
            for row in rows:
                row.append("" if row[0] == US else f"**{median(self.advantages(row[0])):.2f} ×**")
        return [*markdown(head, rows), *(f"\nMissing: {name}, {reason}" for name, reason in self.missing.items())]


def hold(title: str, quantity: str, contenders: Sequence[Contender], turns: int) -> Contest:
    """Lets the contenders take turns, and says how they do. One that cannot is named, with its reason."""
    taken: dict[str, list[dict[str, float]]] = {}
    missing: dict[str, str] = {}
    say(f"{title}: {quantity}")
    with ExitStack() as stack:
        present = []
        for contender in contenders:
            try:
                present.append(stack.enter_context(contender))
            except MissingError as reason:
                missing[contender.name] = str(reason)
                say(f"  missing: {contender.name}, {reason}")
        for _ in range(turns):
            for contender in [one for one in present if one.name not in missing]:
                try:
                    taken.setdefault(contender.name, []).append(contender.turn())
                except MissingError as reason:
                    missing[contender.name] = str(reason)
                    taken.pop(contender.name, None)
                    say(f"  missing: {contender.name}, {reason}")
            say("  " + ", ".join(f"{name} {figure(done[-1][quantity])}" for name, done in taken.items()))
    return Contest(title, quantity, taken, missing)


class Worker:
    """A program that prepares once and then takes turns (see `peers/turns.py`): `python program arguments`."""

    def __init__(self, name: str, program: str, *arguments: object, python: Path | None = None) -> None:
        self.name = name
        self.python = python or (PEERS_PYTHON if program.startswith("peers") else Path(sys.executable))
        self.command = [str(self.python), str(HERE / program), *map(str, arguments)]

    def __enter__(self) -> "Worker":
        if not self.python.exists():
            raise MissingError(f"no environment for it at {self.python.relative_to(PROJECT)}: `make peers`")
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(PROJECT)}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)
        self.said: list[str] = []
        self.listener = threading.Thread(target=lambda: self.said.extend(self.process.stderr or ()), daemon=True)
        self.listener.start()
        self._answer()
        return self

    def turn(self) -> dict[str, float]:
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        measured: dict[str, float] = json.loads(self._answer())
        return measured

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            self.listener.join()
            raise MissingError(
                "".join(self.said).strip().rpartition("\n")[2] or f"exit status {self.process.returncode}"
            )
        return answer


class Command:
    """A whole process a turn, from its start to its end: seconds, and its peak memory in MB."""

    def __init__(self, name: str, *command: object) -> None:
        self.name = name
        self.command = list(map(str, command))

    def __enter__(self) -> "Command":
        self.turn()  # once uncounted: files come into memory
        return self

    def turn(self) -> dict[str, float]:
        if not Path(self.command[0]).exists():
            raise MissingError(f"no environment for it at {self.command[0]}: `make peers`")
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run([*LAUNCHER, *self.command], capture_output=True, text=True, cwd=PROJECT, env=environment)
        if done.returncode:
            raise MissingError(done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}")
        measured: dict[str, float] = json.loads(done.stdout)
        return measured

    def __exit__(self, *_: object) -> None: ...


def say(line: str) -> None:
    print(line, flush=True)


def figure(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table whose columns are as wide as they need to be; all but the first to the right."""
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[Any]) -> str:
        aligned = [
            str(cell).ljust(widths[0]) if not place else str(cell).rjust(widths[place])
            for place, cell in enumerate(cells)
        ]
        return f"| {' | '.join(aligned)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(head), line(rule), *map(line, rows)]

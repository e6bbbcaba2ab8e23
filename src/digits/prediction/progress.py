"""The progress bar of a prediction."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """Shows the digits that are written, and their rate, while the block runs. It is hidden if standard error is not
    a terminal, or if the predictions are written to the same terminal."""

    def __init__(self, output: str) -> None:
        console = Console(stderr=True)
        shares_terminal = output == "-" and sys.stdout.isatty()
        self.bar = Progress(
            TextColumn("{task.fields[count]:,} digits"), BarColumn(), TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal or shares_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=None, count=0, rate=0.0)
        self.started_at = time.perf_counter()

    def __enter__(self) -> "ProgressBar":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update(self, count: int, fraction: float | None) -> None:
        """Shows that `count` digits are written, a fraction of the input. None if its size is unknown."""
        rate = count / (time.perf_counter() - self.started_at)
        if fraction is None:
            self.bar.update(self.task, count=count, rate=rate)
        else:
            self.bar.update(self.task, completed=fraction, total=1.0, count=count, rate=rate)

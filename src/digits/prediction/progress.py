"""The progress bar of a prediction."""

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


class ProgressBar:
    """Shows the digits that are written, and their rate, while the block runs. It is hidden if standard error is not
    a terminal, or if the predictions are written to the same terminal."""

    def __init__(self, output: str) -> None:
        shares_terminal = output == "-" and sys.stdout.isatty()
        self.bar = _rich_bar() if sys.stderr.isatty() and not shares_terminal else None
        self.started_at = time.perf_counter()

    def __enter__(self) -> "ProgressBar":
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, count: int, fraction: float | None) -> None:
        """Shows that `count` digits are written, a fraction of the input. None if its size is unknown."""
        if self.bar is None:
            return
        [task] = self.bar.task_ids
        rate = count / (time.perf_counter() - self.started_at)
        if fraction is None:
            self.bar.update(task, count=count, rate=rate)
        else:
            self.bar.update(task, completed=fraction, total=1.0, count=count, rate=rate)


def _rich_bar() -> "Progress":
    """A bar on standard error with one task."""
    from rich.console import Console  # imported late: a hidden bar needs nothing of it
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.fields[count]:,} digits"), BarColumn(), TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, redirect_stdout=False,
    )  # fmt: skip
    bar.add_task("", total=None, count=0, rate=0.0)
    return bar

"""The pictures of a study, drawn from what its runs left behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from digits.leaderboard import Leaderboard, Row, Spread

MOST_ROWS = 60
MOST_CURVES = 10


def plot_leaderboard(board: Leaderboard, path: Path) -> None:
    """The validation error of every run as a dot, of every configuration its mean and 95 % interval, the best on top;
    the test error where nothing was held out for validation."""
    stage = "val" if any(row.errors("val") for row in board.rows) else "test"
    rows = [row for row in board.rows if row.errors(stage)][:MOST_ROWS]
    figure = Figure(figsize=(9, 1.6 + 0.32 * max(len(rows), 1)), layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(rows):
        errors = [100 * error for error in row.errors(stage)]
        if stage == "val" and row.interval:
            axis.plot(
                [100 * end for end in row.interval], [place, place], color="C0", lw=5, alpha=0.25, solid_capstyle="butt"
            )
        axis.plot(errors, [place] * len(errors), "o", color="C0", ms=5, mfc="white", zorder=3)
        axis.plot(sum(errors) / len(errors), place, "|", color="C0", ms=16, mew=2.5, zorder=4)
    left = min((100 * error for row in rows for error in row.errors(stage)), default=0.0)
    right = max((100 * error for row in rows for error in row.errors(stage)), default=1.0)
    if left > 0 and right > 8 * left:
        _log_percent(axis.xaxis, axis.set_xscale)
        axis.set_xlim(left / 1.3, right * 1.3)
    else:
        margin = 0.1 * (right - left) or 0.1
        axis.set_xlim(max(0.0, left - margin), right + margin)
    axis.set_yticks(range(len(rows)), [_label(board, row) for row in rows])
    axis.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    named = {"val": "validation error", "test": "test error (nothing was held out for validation)"}[stage]
    explained = "○ a run   | the mean" + ("   ▬ its 95 % interval" if stage == "val" else "")
    axis.set(xlabel=f"{named} [%]")
    axis.set_title(f"{board.title}\n{explained}", fontsize=10)
    axis.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110, format="png")


def plot_learning_curves(board: Leaderboard, path: Path) -> None:
    """Error against the epoch, from each run's history.csv: of validation, or of training where nothing was held out;
    of each configuration the mean over its runs and their range. The first `MOST_CURVES` rows of the table."""
    histories = [(row, [pd.read_csv(file) for file in _histories(row)]) for row in board.rows]
    histories = [(row, tables) for row, tables in histories if tables][:MOST_CURVES]
    validated = any("val/error" in table for _, tables in histories for table in tables)
    key, named = (
        ("val/error", "validation error") if validated else ("train/error", "error in training, while it learns")
    )
    stage, what = ("val", "validation") if validated else ("test", "test")
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    for index, (row, tables) in enumerate(histories):
        if not all(key in table for table in tables):
            continue
        errors = 100 * pd.concat([table.set_index("epoch")[key] for table in tables], axis=1)
        mean, color = errors.mean(axis=1), f"C{index}"
        label = f"{_label(board, row)}: {what} error {Spread.of(row.errors(stage)) or 'unknown'}"
        axis.plot(mean.index, mean, ".-", color=color, label=label)
        axis.fill_between(errors.index, errors.min(axis=1), errors.max(axis=1), color=color, alpha=0.2, lw=0)
    _log_percent(axis.yaxis, axis.set_yscale)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set(xlabel="epoch", ylabel=f"{named} [%]")
    axis.set_title(f"{board.title}\nmean over the runs of a configuration, and their range", fontsize=10)
    axis.grid(alpha=0.3)
    if axis.lines:
        axis.legend()
    figure.savefig(path, dpi=110, format="png")


def _histories(row: Row) -> Sequence[Path]:
    return [file for result in row.done if (file := result.folder / "history.csv").is_file()]


def _label(board: Leaderboard, row: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(board.names, row.values, strict=True)) or board.title


def _log_percent(axis: Any, set_scale: Any) -> None:
    set_scale("log", nonpositive="mask")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())

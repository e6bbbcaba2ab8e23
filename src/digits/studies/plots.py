"""The pictures of a study, drawn from what its runs left behind."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from digits.studies.leaderboard import Leaderboard, Row, Spread

log = logging.getLogger(__name__)

MOST_ROWS = 60
MOST_CURVES = 10


def plot_leaderboard(board: Leaderboard, path: Path) -> None:
    """The validation error of every run as a dot, of every configuration its mean and 95 % interval, the best on top;
    the test error where nothing was held out for validation."""
    stage, named, explained = "val", "validation error", "○ a run   | the mean   ▬ its 95 % interval"
    if not any(row.errors("val") for row in board.rows):
        stage, named, explained = "test", "test error (nothing was held out for validation)", "○ a run   | the mean"
    all_rows = [row for row in board.rows if row.errors(stage)]
    rows = all_rows[:MOST_ROWS]
    figure = Figure(figsize=(9, 1.6 + 0.32 * max(len(rows), 1)), layout="constrained")
    axis = figure.subplots()
    dots, ends = [], []
    for place, row in enumerate(rows):
        errors = [100 * error for error in row.errors(stage)]
        dots += errors
        if stage == "val" and row.interval:
            interval = [100 * end for end in row.interval]
            ends += interval
            axis.plot(interval, [place, place], color="C0", lw=5, alpha=0.25, solid_capstyle="butt")
        axis.plot(errors, [place] * len(errors), "o", color="C0", ms=5, mfc="white", zorder=3)
        axis.plot(sum(errors) / len(errors), place, "|", color="C0", ms=16, mew=2.5, zorder=4)
    left, right = min(dots, default=0.0), max(dots, default=1.0)
    if left > 0 and right > 8 * left:
        _log_percent(axis.xaxis, axis.set_xscale)
        axis.set_xlim(left / 1.5, right * 1.5)
    else:  # an interval of two runs may be so wide that it would hide all else
        room = 1.2 * (right - left) or 0.5
        margin = 0.05 * room
        left, right = max(min([left, *ends]), left - room), min(max([right, *ends]), right + room)
        axis.set_xlim(max(0.0, left - margin), right + margin)
    axis.set_yticks(range(len(rows)), [_label(board, row) for row in rows])
    axis.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axis.set(xlabel=f"{named} [%]")
    axis.set_title(f"{board.title}{_first_of(len(rows), len(all_rows))}\n{explained}", fontsize=10)
    axis.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110, format="png")


def plot_learning_curves(board: Leaderboard, path: Path) -> None:
    """Error against the epoch, from each run's history.csv: of validation, or of training where nothing was held out;
    of each configuration the mean over its runs and their range. The first `MOST_CURVES` rows of the table."""
    stage, key, named = "val", "val/error", "validation error"
    if not any(row.errors("val") for row in board.rows):
        stage, key, named = "test", "train/error", "error in training, while it learns"
    all_rows = [(row, histories) for row in board.rows if (histories := _histories(row, key))]
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    for index, (row, histories) in enumerate(all_rows[:MOST_CURVES]):
        errors = 100 * pd.concat(histories, axis=1)
        label = f"{_label(board, row)}: {stage} error {Spread.of(row.errors(stage)) or 'unknown'}"
        axis.plot(errors.index, errors.mean(axis=1), ".-", color=f"C{index}", label=label)
        axis.fill_between(errors.index, errors.min(axis=1), errors.max(axis=1), color=f"C{index}", alpha=0.2, lw=0)
    _log_percent(axis.yaxis, axis.set_yscale)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set(xlabel="epoch", ylabel=f"{named} [%]")
    shown = _first_of(min(len(all_rows), MOST_CURVES), len(all_rows))
    axis.set_title(f"{board.title}{shown}\nmean over the runs of a configuration, and their range", fontsize=10)
    axis.grid(alpha=0.3)
    if axis.lines:
        axis.legend()
    figure.savefig(path, dpi=110, format="png")


def _histories(row: Row, key: str) -> "list[pd.Series[float]]":
    """That column of the finished runs, by epoch; a history that cannot be read is left out, with a line."""
    columns = []
    for result in row.done:
        file = result.folder / "history.csv"
        try:
            table = pd.read_csv(file).set_index("epoch")
            columns += [table[key].astype(float)] if key in table else []
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError):
            log.warning(f"{file} is damaged and left out of the curves")
    return columns


def _label(board: Leaderboard, row: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(board.names, row.values, strict=True)) or board.title


def _first_of(shown: int, count: int) -> str:
    return "" if shown == count else f", the first {shown} of {count}"


def _log_percent(axis: Any, set_scale: Any) -> None:
    set_scale("log", nonpositive="mask")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())

"""The pictures of a study."""

import logging
from collections.abc import Sized
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from digits.runs.folder import RunFolder
from digits.studies.configuration import Configuration, MeanStd
from digits.studies.leaderboard import Leaderboard

log = logging.getLogger(__name__)

MAX_ROWS = 60
MAX_CURVES = 10


def plot_leaderboard(board: Leaderboard, path: Path) -> None:
    """Draws the error of every run, and its mean and 95 % interval for every configuration, the best on top."""
    stage, kind = _stage(board)
    rows = [(row, errors) for row in board.rows if (errors := [100 * e for e in row.numbers(f"{stage}_error")])]
    shown = rows[:MAX_ROWS]
    figure = Figure(figsize=(9, 1.6 + 0.32 * max(len(shown), 1)), layout="constrained")
    axis = figure.subplots()
    for y, (row, errors) in enumerate(shown):
        if stage == "val" and row.val_interval:
            interval = [100 * end for end in row.val_interval]
            axis.plot(interval, [y, y], color="C0", lw=5, alpha=0.25, solid_capstyle="butt")
        axis.plot(errors, [y] * len(errors), "o", color="C0", ms=5, mfc="white", zorder=3)
        axis.plot(sum(errors) / len(errors), y, "|", color="C0", ms=16, mew=2.5, zorder=4)
    dots = [error for _, errors in shown for error in errors]
    low, high = min(dots, default=0.0), max(dots, default=1.0)
    if low > 0 and high > 8 * low:
        _log_percent(axis.xaxis, axis.set_xscale)
        axis.set_xlim(low / 1.5, high * 1.5)
    else:  # limited, because the interval of two runs can be very wide
        (left, right), room = axis.get_xlim(), 1.2 * (high - low) or 0.5
        axis.set_xlim(max(0.0, left, low - room), min(right, high + room))
    axis.set_yticks(range(len(shown)), [_label(board, row) for row, _ in shown])
    axis.set(xlabel=f"{kind} error [%]", ylim=(max(len(shown), 1) - 0.5, -0.5))
    legend = "○ a run   | the mean" + ("   ▬ its 95 % interval" if stage == "val" else "")
    _save(figure, board.title, shown, rows, legend, path)


def plot_learning_curves(board: Leaderboard, path: Path) -> None:
    """Draws error against epoch, from each run's history.csv: mean and range over the runs of a configuration, for the
    first `MAX_CURVES` configurations."""
    stage, kind = _stage(board)
    key, ylabel = ("val/error", "validation error [%]") if stage == "val" else ("train/error", "training error [%]")
    curves = [(row, histories) for row in board.rows if (histories := _histories(row, key))]
    shown = curves[:MAX_CURVES]
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    for index, (row, histories) in enumerate(shown):
        errors = 100 * pd.concat(histories, axis=1)
        label = f"{_label(board, row)}: {kind} error {MeanStd.from_values(row.numbers(f'{stage}_error')) or 'unknown'}"
        axis.plot(errors.index, errors.mean(axis=1), ".-", color=f"C{index}", label=label)
        axis.fill_between(errors.index, errors.min(axis=1), errors.max(axis=1), color=f"C{index}", alpha=0.2, lw=0)
    _log_percent(axis.yaxis, axis.set_yscale)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set(xlabel="epoch", ylabel=ylabel)
    if shown:
        axis.legend()
    _save(figure, board.title, shown, curves, "mean and range over the runs of a configuration", path)


def _stage(board: Leaderboard) -> tuple[str, str]:
    """Validation; test if no digits were held out for validation."""
    return ("val", "validation") if any(row.val_error for row in board.rows) else ("test", "test")


def _histories(row: Configuration, key: str) -> "list[pd.Series[float]]":
    """A column of the completed runs' history.csv, by epoch. Logs and skips damaged files."""
    columns = []
    for run in row.completed:
        path = RunFolder(run.folder).history_path
        try:
            table = pd.read_csv(path).set_index("epoch")
            if key in table:
                errors = table[key].astype(float).dropna()  # not every epoch is validated
                columns += [errors] if len(errors) else []
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError):
            log.warning(f"{path} is damaged and left out of the curves")
    return columns


def _label(board: Leaderboard, row: Configuration) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(board.names, row.values, strict=True)) or board.title


def _log_percent(axis: Any, set_scale: Any) -> None:
    set_scale("log", nonpositive="mask")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _save(figure: Figure, title: str, shown: Sized, available: Sized, subtitle: str, path: Path) -> None:
    first = "" if len(shown) == len(available) else f", the first {len(shown)} of {len(available)}"
    figure.axes[0].set_title(f"{title}{first}\n{subtitle}", fontsize=10)
    figure.axes[0].grid(alpha=0.3)
    figure.savefig(path, dpi=110, format="png")

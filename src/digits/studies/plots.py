"""The plots of a study."""

import logging
from collections.abc import Callable, Sequence, Sized
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from digits.studies.configuration import Configuration
from digits.studies.leaderboard import Leaderboard

log = logging.getLogger(__name__)

MAX_ROWS = 60
MAX_CURVES = 10
STAGE_NAMES = {"train": "training", "val": "validation", "test": "test"}
CURVES = {"val": "val/error", "test": "train/error"}
"""The column of history.csv that is drawn, by the stage that ranks the configurations."""


def plot_leaderboard(board: Leaderboard, path: Path) -> None:
    """Draws the error of every run, and its mean and 95 % interval for every configuration, the best on top."""
    stage = _ranked_stage(board)
    rows = [row for row in board.rows if row.numbers(f"{stage}_error")]
    shown = rows[:MAX_ROWS]
    height = max(len(shown), 1)
    figure = Figure(figsize=(9, 1.6 + 0.32 * height), layout="constrained")
    axis = figure.subplots()
    dots: list[float] = []
    for y, row in enumerate(shown):
        errors = [100 * error for error in row.numbers(f"{stage}_error")]
        dots += errors
        if stage == "val" and row.val_interval:
            interval = [100 * end for end in row.val_interval]
            axis.plot(interval, [y, y], color="C0", lw=5, alpha=0.25, solid_capstyle="butt")
        axis.plot(errors, [y] * len(errors), "o", color="C0", ms=5, mfc="white", zorder=3)
        axis.plot(sum(errors) / len(errors), y, "|", color="C0", ms=16, mew=2.5, zorder=4)
    _limit_errors(axis, dots)
    axis.set_yticks(range(len(shown)), [_label(board, row) for row in shown])
    axis.set(xlabel=f"{STAGE_NAMES[stage]} error [%]", ylim=(height - 0.5, -0.5))
    legend = "○ a run   | the mean"
    if stage == "val":
        legend += "   ▬ its 95 % interval"
    _save(figure, f"{board.title}{_first_of(shown, rows)}\n{legend}", path)


def plot_learning_curves(board: Leaderboard, path: Path) -> None:
    """Draws error against epoch, from each run's history.csv: mean and range over the runs of a configuration, for the
    first `MAX_CURVES` configurations."""
    stage = _ranked_stage(board)
    column = CURVES[stage]
    curves = []
    for row in board.rows:
        histories = _histories(row, column)
        if histories:
            curves.append((row, histories))
    shown = curves[:MAX_CURVES]
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    for index, (row, histories) in enumerate(shown):
        color = f"C{index}"
        errors = 100 * pd.concat(histories, axis=1)
        final_error = row.mean_std(f"{stage}_error") or "unknown"
        label = f"{_label(board, row)}: {STAGE_NAMES[stage]} error {final_error}"
        axis.plot(errors.index, errors.mean(axis=1), ".-", color=color, label=label)
        axis.fill_between(errors.index, errors.min(axis=1), errors.max(axis=1), color=color, alpha=0.2, lw=0)
    _log_percent(axis.yaxis, axis.set_yscale)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    drawn_stage, _, _ = column.partition("/")
    axis.set(xlabel="epoch", ylabel=f"{STAGE_NAMES[drawn_stage]} error [%]")
    if shown:
        axis.legend()
    subtitle = "mean and range over the runs of a configuration"
    _save(figure, f"{board.title}{_first_of(shown, curves)}\n{subtitle}", path)


def _ranked_stage(board: Leaderboard) -> str:
    """`val`; `test` if no digits were held out for validation."""
    return "val" if any(row.val_error for row in board.rows) else "test"


def _histories(row: Configuration, column: str) -> "list[pd.Series[float]]":
    """A column of the completed runs' history.csv, by epoch. Logs and skips damaged files."""
    histories = []
    for run in row.completed:
        path = run.files.history_path
        try:
            table = pd.read_csv(path).set_index("epoch")
            if column not in table:
                continue
            errors = table[column].astype(float).dropna()  # not every epoch is validated
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError):
            log.warning(f"{path} is damaged and left out of the curves")
            continue
        if len(errors) > 0:
            histories.append(errors)
    return histories


def _limit_errors(axis: Axes, dots: Sequence[float]) -> None:
    """Limits the axis to the errors of the runs, because the interval of two runs can be very wide. A wide range of
    errors is drawn on a logarithmic scale."""
    low, high = min(dots, default=0.0), max(dots, default=1.0)
    if low > 0 and high > 8 * low:
        _log_percent(axis.xaxis, axis.set_xscale)
        axis.set_xlim(low / 1.5, high * 1.5)
        return
    left, right = axis.get_xlim()
    room = 1.2 * (high - low) or 0.5
    axis.set_xlim(max(0.0, left, low - room), min(right, high + room))


def _label(board: Leaderboard, row: Configuration) -> str:
    settings = [f"{name}={value}" for name, value in zip(board.names, row.values, strict=True)]
    return ", ".join(settings) or board.title


def _first_of(shown: Sized, available: Sized) -> str:
    return "" if len(shown) == len(available) else f", the first {len(shown)} of {len(available)}"


def _log_percent(axis: Axis, set_scale: Callable[..., object]) -> None:
    set_scale("log", nonpositive="mask")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _save(figure: Figure, title: str, path: Path) -> None:
    figure.axes[0].set_title(title, fontsize=10)
    figure.axes[0].grid(alpha=0.3)
    figure.savefig(path, dpi=110, format="png")

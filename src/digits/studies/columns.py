"""The columns of a leaderboard."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from digits.studies.configuration import Configuration, Interval
from digits.studies.values import is_typed_as

ExtraColumns = Sequence[Mapping[str, str]]
"""The rows of another table: text by the name of its column."""

MISSING = "–"
MAX_REASON_LENGTH = 120


@dataclass(frozen=True)
class Column:
    """One quantity of a configuration: its `value` under `csv_names` in CSV, the text of it under `title` in Markdown.

    A column without a title is only in CSV, a column without `csv_names` only in Markdown. The value for several
    `csv_names` is a tuple. None is a missing value."""

    title: str
    csv_names: tuple[str, ...]
    value: Callable[[Configuration], Any]
    text: Callable[[Any], str] = str

    def csv_cells(self, row: Configuration) -> list[object]:
        value = self.value(row)
        if value is None:
            return [None] * len(self.csv_names)
        if len(self.csv_names) == 1:
            return [value]
        return list(value)

    def markdown_cell(self, row: Configuration) -> str:
        value = self.value(row)
        return MISSING if value is None else self.text(value)


def leaderboard_columns(
    quantities: Iterable[str], extra: Iterable[Column], any_pruned: bool, any_failed: bool
) -> list[Column]:
    """All columns in their order. `quantities` are the names of scores other than the error, `extra` more columns."""
    columns = [
        Column("val error", ("val_error_mean", "val_error_sd"), attrgetter("val_error")),
        Column("95 % interval", (), attrgetter("val_interval"), _interval_text),
        Column("test error", ("test_error_mean", "test_error_sd"), attrgetter("test_error")),
        Column("", ("val_low", "val_high"), attrgetter("val_interval")),
    ]
    for name in quantities:
        csv_names = (f"val_{name}_mean", f"test_{name}_mean")
        columns.append(Column(name, csv_names, partial(_val_and_test_mean, name), _val_or_test_text))
    columns += extra
    columns += [
        Column("seconds", ("fit_seconds",), attrgetter("fit_seconds"), _seconds_text),
        Column("images/s", ("images_per_second",), attrgetter("images_per_second"), "{:,.0f}".format),
        Column("", ("seeds",), _seeds),
        Column("jobs", (), _job_counts, _job_counts_text),
        Column("", ("done",), partial(_job_count, "done")),
    ]
    if any_pruned:  # no column of zeros for all but a search
        columns.append(Column("", ("pruned",), partial(_job_count, "pruned")))
    columns.append(Column("", ("failed",), partial(_job_count, "failed")))
    reason_title = "why" if any_failed or any_pruned else ""
    columns.append(Column(reason_title, ("reason",), attrgetter("reasons"), _reason_text))
    return columns


def join_columns(keys: Sequence[str], rows: Iterable[Configuration], extra: ExtraColumns) -> list[Column]:
    """The columns of another table without `keys`, the settings that vary. A row shows the first line that has equal
    values in the columns of both tables."""
    if not extra:
        return []
    lines = {}
    for row in rows:
        settings = dict(zip(keys, row.values, strict=True))
        lines[row.values] = _matching_line(settings, extra)
    names = [name for name in extra[0] if name not in keys]
    return [Column(name, (), partial(_extra_cell, lines, name)) for name in names]


def _matching_line(settings: Mapping[str, str], extra: ExtraColumns) -> Mapping[str, str]:
    """Empty if no line is about these settings. A setting that the lines lack does not matter."""
    for line in extra:
        shared = settings.keys() & line.keys()
        if all(is_typed_as(settings[key], line[key]) for key in shared):
            return line
    return {}


def _extra_cell(lines: Mapping[tuple[str, ...], Mapping[str, str]], name: str, row: Configuration) -> str | None:
    return lines[row.values].get(name)


def _interval_text(interval: Interval) -> str:
    low, high = interval
    return f"{100 * low:.2f}–{100 * high:.2f} %"


def _val_and_test_mean(name: str, row: Configuration) -> tuple[float | None, float | None]:
    val = row.mean_std(f"val_{name}")
    test = row.mean_std(f"test_{name}")
    return (None if val is None else val.mean), (None if test is None else test.mean)


def _val_or_test_text(means: tuple[float | None, float | None]) -> str:
    val, test = means
    shown = test if val is None else val
    return MISSING if shown is None else f"{shown:.4g}"


def _seconds_text(seconds: float) -> str:
    return f"{seconds:,.1f}" if seconds < 100 else f"{seconds:,.0f}"


def _seeds(row: Configuration) -> str:
    return " ".join(row.seeds)


def _job_counts(row: Configuration) -> dict[str, int]:
    return {"done": len(row.completed), "pruned": len(row.pruned), "failed": len(row.failed)}


def _job_count(outcome: str, row: Configuration) -> int:
    return _job_counts(row)[outcome]


def _job_counts_text(counts: Mapping[str, int]) -> str:
    """`2 done, 1 failed`: without zeros, except `0 done`."""
    parts = []
    for outcome, count in counts.items():
        if count > 0 or outcome == "done":
            parts.append(f"{count} {outcome}")
    return ", ".join(parts)


def _reason_text(reasons: str) -> str:
    escaped = reasons.replace("|", "\\|")
    if len(escaped) <= MAX_REASON_LENGTH:
        return escaped
    return escaped[: MAX_REASON_LENGTH - 1] + "…"

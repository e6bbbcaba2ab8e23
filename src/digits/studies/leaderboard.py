"""The leaderboard: one row for each configuration, as CSV and as Markdown.

The validation error ranks the rows. The test error is shown but never ranks.
"""

import csv
import io
from collections.abc import Sequence
from operator import attrgetter

from digits.errors import printable
from digits.runs.metrics_file import SCORE_KEYS
from digits.studies.columns import Column, ExtraColumns, join_columns, leaderboard_columns
from digits.studies.configuration import Configuration
from digits.studies.results import RunResult
from digits.studies.runs_table import FACTS, IDENTITY, describe_duplicates, runs_table, varying_settings
from digits.studies.study import defines_configuration, short_names

ENDED_OR_FAILED = ("completed", "pruned", "failed")
SPREAD = "mean ± standard deviation over the jobs of a row"
MEDIANS = "Seconds of training and images a second: medians."


class Leaderboard:
    """The table of some runs. `keys` are the settings that vary, `rows` the configurations with the best one first,
    `omitted` one line for each run that is not in the table."""

    def __init__(self, title: str, results: Sequence[RunResult], unreadable: Sequence[str] = ()) -> None:
        self.title = title
        self.keys = varying_settings(results)
        self.names = short_names(self.keys)
        all_runs = runs_table(results, self.keys)
        self.runs = all_runs.drop_duplicates(IDENTITY)
        self.results: list[RunResult] = self.runs["run"].tolist()
        self.omitted = [*unreadable, *describe_duplicates(all_runs)]
        self.any_pruned = bool((self.runs["status"] == "pruned").any())
        self.any_failed = bool((self.runs["status"] == "failed").any())
        self.rows = []
        for _, group in self.runs.groupby("configuration", sort=False):
            values = group["configuration"].iloc[0]
            self.rows.append(Configuration(values, group["run"].tolist()))
        self.rows.sort(key=attrgetter("rank"))

    def csv(self) -> str:
        """Comma-separated values. Error rates are fractions."""
        columns = [column for column in self.columns() if column.csv_names]
        header = list(self.keys)
        for column in columns:
            header += column.csv_names
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in self.rows:
            cells: list[object] = list(row.values)
            for column in columns:
                cells += column.csv_cells(row)
            writer.writerow(cells)
        return _printable_lines(stream.getvalue())

    def markdown(self, extra_columns: ExtraColumns = ()) -> str:
        """Title, shared settings, table and footnotes."""
        parts = [f"# {self.title}"]
        shared = self._shared_settings()
        if shared:
            parts.append(f"All with {', '.join(shared)}.")
        parts.append(self.table(extra_columns))
        parts += self._footnotes()
        return _printable_lines("\n\n".join(parts) + "\n")

    def table(self, extra_columns: ExtraColumns = ()) -> str:
        """The aligned Markdown table. Its rows are joined with those rows of `extra_columns` that have equal values in
        the columns of both."""
        columns = [column for column in self.columns(extra_columns) if column.title]
        header = [*self.names]
        header += [column.title for column in columns]
        rows = []
        for row in self.rows:
            cells = list(row.values)
            cells += [column.markdown_cell(row) for column in columns]
            rows.append(cells)
        return markdown_table(header, rows)

    def columns(self, extra_columns: ExtraColumns = ()) -> list[Column]:
        """The columns after those of the settings."""
        joined = join_columns(self.keys, self.rows, extra_columns)
        return leaderboard_columns(_other_quantities(self.results), joined, self.any_pruned, self.any_failed)

    def _shared_settings(self) -> list[str]:
        """Settings, device, precision and numbers of digits that are the same for all runs."""
        shared = []
        overridden = self.results[0].overrides if self.results else {}
        for key in filter(defines_configuration, overridden):
            values = {run.setting(key) for run in self.results}
            if len(values) == 1:
                shared.append(f"{key}={values.pop()}")
        for fact in FACTS:
            values = set(self.runs[fact].dropna())
            if len(values) == 1:
                shared.append(values.pop())
        return shared

    def _footnotes(self) -> list[str]:
        notes = [self._ranking_note()]
        if self.any_pruned:
            notes.append("Rows with pruned jobs have no result: the search ended these jobs early.")
        unfinished = int((~self.runs["status"].isin(ENDED_OR_FAILED)).sum())
        if unfinished:
            notes.append(f"{unfinished} more {'job is' if unfinished == 1 else 'jobs are'} not finished.")
        if self.runs["code"].nunique() > 1:
            notes.append(
                "Not all of these jobs were trained by the same state of the code (`fingerprint` in metrics.json)."
            )
        notes += [f"Left out: {line}." for line in self.omitted]
        return notes

    def _ranking_note(self) -> str:
        if any(row.val_error for row in self.rows):
            return (
                f"Best validation error first: {SPREAD}; the interval is Student's, of that mean, or Wilson's, of the "
                f"mistakes of a single job or of all folds of one split. {MEDIANS}"
            )
        if any(row.completed for row in self.rows):
            return f"No digits were held out for validation, so nothing is ranked. Test error: {SPREAD}. {MEDIANS}"
        return "No job has finished."


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, aligned to the left."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    lines = []
    for cells in (header, rule, *rows):
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join(lines)


def _other_quantities(results: Sequence[RunResult]) -> list[str]:
    """The names of scores that have no column of their own."""
    names: dict[str, None] = {}
    for run in results:
        for score in (run.metrics.val, run.metrics.test):
            for name, value in (score or {}).items():
                if isinstance(value, int | float) and name not in (*SCORE_KEYS, "loss"):
                    names[name] = None
    return list(names)


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))

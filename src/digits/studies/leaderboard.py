"""The leaderboard: one row for each configuration, as CSV and as Markdown.

The validation error ranks the rows. The test error is shown but never ranks.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from digits.errors import printable
from digits.runs.fingerprint import BOOKKEEPING_KEYS
from digits.runs.metrics_file import SCORE_KEYS
from digits.studies.results import Configuration, MeanStd, RunResult
from digits.studies.study import REPLICATE_KEYS, defines_configuration, short_names
from digits.studies.values import is_typed_as

Table = Sequence[Mapping[str, str]]


class Cell(NamedTuple):
    """One quantity of a row: `values` by the names of their columns in CSV, `text` under its `title` in Markdown."""

    values: dict[str, object]
    title: str = ""
    text: str = ""


class Leaderboard:
    """The table of some runs. `keys` are the settings that vary, `rows` the configurations with the best one first,
    `omitted` one line for each run that is not in the table."""

    def __init__(self, title: str, results: Sequence[RunResult], unreadable: Sequence[str] = ()) -> None:
        self.title = title
        self.keys = _varying_settings(results)
        self.names = short_names(self.keys)
        self.omitted = list(unreadable)
        self.results: list[RunResult] = []
        for run, *duplicates in _group_by((*self.keys, *REPLICATE_KEYS), results).values():
            self.results.append(run)
            self.omitted += [f"{other.folder} has the settings and the seed of {run.folder}" for other in duplicates]
        self.any_pruned = any(run.metrics.status == "pruned" for run in self.results)
        self.any_failed = any(run.metrics.status == "failed" for run in self.results)
        scores = [score for run in self.results for score in (run.metrics.val, run.metrics.test) if score]
        numbers = dict.fromkeys(name for score in scores for name in score if isinstance(score[name], int | float))
        self.quantities = [name for name in numbers if name not in (*SCORE_KEYS, "loss")]
        groups = _group_by(self.keys, self.results)
        self.rows = sorted((Configuration(*group) for group in groups.items()), key=lambda row: row.rank)

    def csv(self) -> str:
        """Comma-separated values. Error rates are fractions."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*self.keys, *(name for cell in self._header() for name in cell.values)])
        for row in self.rows:
            writer.writerow([*row.values, *(value for cell in self._cells(row) for value in cell.values.values())])
        return _printable_lines(stream.getvalue())

    def markdown(self, extra_columns: Table = ()) -> str:
        """Title, shared settings, table and footnotes."""
        shared = ", ".join(self._shared_settings())
        parts = ["# " + self.title, shared and f"All with {shared}.", self.table(extra_columns), *self._footnotes()]
        return _printable_lines("\n\n".join(filter(None, parts)) + "\n")

    def table(self, extra_columns: Table = ()) -> str:
        """The aligned Markdown table. Its rows are joined with those rows of `extra_columns` that have equal values in
        the columns of both."""
        rows = [
            [*row.values, *(cell.text for cell in self._cells(row, extra_columns) if cell.title)] for row in self.rows
        ]
        lines = [[*self.names, *(cell.title for cell in self._header(extra_columns) if cell.title)], *rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)

    def _header(self, extra_columns: Table = ()) -> Iterator[Cell]:
        return self._cells(Configuration((), []), extra_columns)

    def _cells(self, row: Configuration, extra_columns: Table = ()) -> Iterator[Cell]:
        """All quantities of a row."""
        interval = row.val_interval
        yield _error_cell("val", row.val_error)
        yield Cell({}, "95 % interval", "{:.2f}–{:.2f} %".format(*(100 * end for end in interval)) if interval else "–")
        yield _error_cell("test", row.test_error)
        yield Cell(dict(zip(("val_low", "val_high"), interval or (None, None), strict=True)))
        for name in self.quantities:
            means = [MeanStd.from_values(row.numbers(f"{stage}_{name}")) for stage in ("val", "test")]
            val, test = (mean and mean.mean for mean in means)
            shown = test if val is None else val
            yield Cell({f"val_{name}_mean": val, f"test_{name}_mean": test}, name, _number(shown, ".4g"))
        settings = dict(zip(self.keys, row.values, strict=False))
        line = next((line for line in extra_columns if _describes(line, settings)), {})
        for name in extra_columns[0] if extra_columns else ():
            if name not in self.keys:
                yield Cell({}, name, line.get(name, "–"))
        seconds, rate = row.median("fit_seconds"), row.median("images_per_second")
        yield Cell({"fit_seconds": seconds}, "seconds", _number(seconds, ",.1f" if (seconds or 0) < 100 else ",.0f"))
        yield Cell({"images_per_second": rate}, "images/s", _number(rate, ",.0f"))
        yield Cell({"seeds": " ".join(row.seeds)})
        counts = {"done": len(row.completed), "pruned": len(row.pruned), "failed": len(row.failed)}
        text = ", ".join(f"{count} {how}" for how, count in counts.items() if count or how == "done")
        if not self.any_pruned:  # no column of zeros for all but a search
            del counts["pruned"]
        yield Cell({**counts}, "jobs", text)
        reason = row.reasons.replace("|", "\\|")
        shortened = reason if len(reason) <= 120 else reason[:119] + "…"
        yield Cell({"reason": row.reasons}, "why" if self.any_failed or self.any_pruned else "", shortened)

    def _shared_settings(self) -> list[str]:
        """Settings, device, precision and numbers of digits that are the same for all runs."""
        keys = filter(defines_configuration, self.results[0].overrides if self.results else ())
        facts = [[f"{key}={run.setting(key)}" for run in self.results] for key in keys]
        completed = [run for run in self.results if run.metrics.completed]
        facts += [[str(run.metrics.device) for run in completed], [str(run.metrics.precision) for run in completed]]
        for total, digits in (("val_total", "validation digits"), ("test_total", "test digits")):
            facts.append([f"{run.numbers[total]:,} {digits}" for run in completed if total in run.numbers])
        return [values[0] for values in facts if len(set(values)) == 1]

    def _footnotes(self) -> Iterator[str]:
        completed = [run.metrics for run in self.results if run.metrics.completed]
        spread = "mean ± standard deviation over the jobs of a row"
        medians = "Seconds of training and images a second: medians."
        if any(row.val_error for row in self.rows):
            yield (
                f"Best validation error first: {spread}; the interval is Student's, of that mean, or Wilson's, of the "
                f"mistakes of a single job or of all folds of one split. {medians}"
            )
        elif completed:
            yield f"No digits were held out for validation, so nothing is ranked. Test error: {spread}. {medians}"
        else:
            yield "No job has finished."
        if self.any_pruned:
            yield "Rows with pruned jobs have no result: the search ended these jobs early."
        if unfinished := sum(not run.metrics.ended and run.metrics.status != "failed" for run in self.results):
            yield f"{unfinished} more {'job is' if unfinished == 1 else 'jobs are'} not finished."
        if len({metrics.fingerprint.get("code") for metrics in completed if metrics.fingerprint}) > 1:
            yield "Not all of these jobs were trained by the same state of the code (`fingerprint` in metrics.json)."
        yield from (f"Left out: {line}." for line in self.omitted)


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _error_cell(stage: str, error: MeanStd | None) -> Cell:
    mean, std = error or (None, None)
    return Cell({f"{stage}_error_mean": mean, f"{stage}_error_sd": std}, f"{stage} error", str(error or "–"))


def _describes(line: Mapping[str, str], settings: Mapping[str, str]) -> bool:
    """Whether a line of another table is about these settings. A setting that the line lacks does not matter."""
    shared = settings.keys() & line.keys()
    return all(is_typed_as(settings[key], line[key]) for key in shared)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def _varying_settings(results: Sequence[RunResult]) -> tuple[str, ...]:
    """Overridden settings with several values, then settings that differ between runs with equal values of those."""
    keys = []
    for key in dict.fromkeys(key for run in results for key in run.overrides):
        values = {run.setting(key) for run in results}
        if "." in key:
            values -= {""}  # a setting that some runs do not have, as data.train_csv with data=mnist
        if len(values) > 1 and key not in (*REPLICATE_KEYS, *BOOKKEEPING_KEYS):
            keys.append(key)
    for runs in _group_by(keys, results).values():
        configs = [run.config for run in runs if run.config]
        different = [] if all(config == configs[0] for config in configs) else configs
        for key in dict.fromkeys(key for config in different for key in config):
            if key not in keys and len({config.get(key, "null") for config in configs}) > 1:
                keys.append(key)
    return tuple(keys)


def _group_by(keys: Sequence[str], results: Iterable[RunResult]) -> dict[tuple[str, ...], list[RunResult]]:
    groups = defaultdict(list)
    for run in results:
        groups[tuple(run.setting(key) for key in keys)].append(run)
    return groups

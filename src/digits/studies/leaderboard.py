"""The results of studies: one row a configuration, its seeds and folds taken together; as CSV and as Markdown.

Everything here comes from the `metrics.json` of the runs. The validation error ranks; the test error only stands there.
"""

import csv
import io
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from digits.config import flatten
from digits.errors import InputError
from digits.runs.fingerprint import BOOKKEEPING_KEYS, RESULT_NEUTRAL_KEYS
from digits.runs.metrics_file import read_metrics

REPLICATE_KEYS = ("seed", "data.seed", "data.split_seed", "data.fold")  # what differs between the jobs of one row
Columns = tuple[str, ...]  # keys of settings


class Result(NamedTuple):
    """One run: its folder and what its metrics.json says."""

    folder: Path
    metrics: dict[str, Any]

    @property
    def overrides(self) -> dict[str, str]:
        """What was asked for on the command line: setting -> value."""
        pairs = (str(override).partition("=") for override in self.metrics.get("overrides", ()))
        return {key.lstrip("+"): normal(value.strip("'\"")) for key, _, value in pairs}

    def setting(self, key: str) -> str:
        """A choice or a value, in the form in which equal ones are equal; "" where there is none."""
        choices, leaves = self.metrics.get("choices", {}), flatten(self.metrics.get("config", {}))
        for known in (choices, leaves, self.overrides):
            if key in known:
                return normal(known[key])
        return ""

    @property
    def chance(self) -> tuple[str, ...]:
        """What tells it from the other runs of its configuration: seed and fold."""
        return tuple(self.setting(key) for key in REPLICATE_KEYS)

    def error(self, stage: str) -> float | None:
        """The error rate of "val" or "test", a fraction; None if the run is not finished or has none."""
        return self.metrics[stage]["error"] if self.metrics["status"] == "completed" and stage in self.metrics else None


def normal(value: object) -> str:
    """A setting's value in the one form that equal values have: 0.001 for 1e-3, null for None."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = str(value)
    try:
        return text if text.lstrip("-").isdecimal() else f"{float(text):g}"
    except ValueError:
        return text


class Spread(NamedTuple):
    """Mean and standard deviation of what several runs gave; of one run there is no deviation."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        if not values:
            return None
        return cls(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        """In percent."""
        deviation = "" if self.deviation is None else f" ± {100 * self.deviation:.2f}"
        return f"{100 * self.mean:.2f}{deviation} %"


class Row(NamedTuple):
    """A configuration: its values of the columns, and its runs."""

    values: tuple[str, ...]
    results: list[Result]

    def errors(self, stage: str) -> list[float]:
        return [error for result in self.results if (error := result.error(stage)) is not None]

    @property
    def done(self) -> list[Result]:
        return [result for result in self.results if result.metrics["status"] == "completed"]

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.metrics["status"] == "failed"]

    @property
    def reasons(self) -> str:
        """Why jobs failed, each reason once."""
        return "; ".join(dict.fromkeys(" ".join(str(result.metrics.get("reason")).split()) for result in self.failed))

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the validation error: Student's, of the mean over the runs; of a single run Wilson's, of
        the share of mistakes among its digits."""
        errors = self.errors("val")
        if len(errors) < 2:
            return next(((run.metrics["val"]["low"], run.metrics["val"]["high"]) for run in self.done if errors), None)
        from scipy.stats import t  # only here: SciPy's statistics take a second

        half = float(t.ppf(0.975, len(errors) - 1)) * statistics.stdev(errors) / math.sqrt(len(errors))
        mean = statistics.mean(errors)
        return max(0.0, mean - half), min(1.0, mean + half)

    def median(self, *path: str) -> float | None:
        """Of a number in the metrics of the finished runs."""
        numbers = []
        for result in self.done:
            value: Any = result.metrics
            for key in path:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                numbers.append(value)
        return statistics.median(numbers) if numbers else None


class Leaderboard:
    """The table of some runs: `columns` are the settings that vary, `rows` the configurations, the best first."""

    def __init__(self, title: str, results: Sequence[Result], faults: Sequence[str] = ()) -> None:
        self.title = title
        self.columns = _columns(results)
        self.faults = list(faults)
        once: dict[tuple[tuple[str, ...], tuple[str, ...]], Result] = {}
        for result in results:
            place = tuple(result.setting(key) for key in self.columns), result.chance
            if (other := once.setdefault(place, result)) is not result:
                self.faults.append(f"{result.folder} has the settings and the seed of {other.folder}")
        self.results = list(once.values())
        grouped: dict[tuple[str, ...], list[Result]] = defaultdict(list)
        for (values, _), result in once.items():
            grouped[values].append(result)
        self.rows = sorted((Row(values, runs) for values, runs in grouped.items()), key=_rank)

    @property
    def names(self) -> list[str]:
        """The columns as people say them: `max_epochs`, unless another column ends so too."""
        return short_names(self.columns)

    def csv(self) -> str:
        """Comma-separated, error rates as fractions, one line a row."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        measured = [f"{stage}_error_{what}" for stage in ("val", "test") for what in ("mean", "sd")]
        numbers = ("val_low", "val_high", "fit_seconds", "images_per_second")
        writer.writerow([*self.columns, *measured, *numbers, "seeds", "done", "failed", "reason"])
        for row in self.rows:
            spreads = [Spread.of(row.errors(stage)) or (None, None) for stage in ("val", "test")]
            seeds = " ".join(sorted({result.setting("seed") for result in row.done}, key=_natural))
            medians = row.median("seconds", "fit"), row.median("images_per_second")
            values = [*spreads[0], *spreads[1], *(row.interval or (None, None)), *medians]
            writer.writerow([*row.values, *values, seeds, len(row.done), len(row.failed), row.reasons])
        return stream.getvalue()

    def markdown(self, beside: Sequence[Mapping[str, str]] = ()) -> str:
        """What is constant, the table, and what the reader must know of it. Rows of `beside` add their other columns
        to the rows that agree with them in the columns they share."""
        return "\n\n".join(["# " + self.title, *self._constant(), self.table(beside), *self._notes()]) + "\n"

    def table(self, beside: Sequence[Mapping[str, str]] = ()) -> str:
        """The rows as a Markdown table, aligned to be read as it is."""
        failed = any(row.failed for row in self.rows)
        shared = [key for key in self.columns if beside and key in beside[0]]
        more = [key for key in (beside[0] if beside else ()) if key not in shared]
        head = [*self.names, "val error", "95 % interval", "test error", *more, "seconds", "images/s", "jobs"]
        lines = []
        for row in self.rows:
            here = {key: value for key, value in zip(self.columns, row.values, strict=True) if key in shared}
            others = next((other for other in beside if here == {key: other[key] for key in shared}), {})
            seconds, rate = row.median("seconds", "fit"), row.median("images_per_second")
            lines.append(
                [
                    *row.values,
                    str(Spread.of(row.errors("val")) or "–"),
                    "–" if row.interval is None else f"{100 * row.interval[0]:.2f}–{100 * row.interval[1]:.2f} %",
                    str(Spread.of(row.errors("test")) or "–"),
                    *(others.get(key, "–") for key in more),
                    "–" if seconds is None else f"{seconds:,.{1 if seconds < 100 else 0}f}",
                    "–" if rate is None else f"{rate:,.0f}",
                    f"{len(row.done)} done" + (f", {len(row.failed)} failed" if row.failed else ""),
                    *([_cell(row.reasons)] if failed else []),
                ]
            )
        head += ["why"] if failed else []
        widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
        lines = [head, ["-" * width for width in widths], *lines]
        return "\n".join(
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
        )

    def _constant(self) -> Iterable[str]:
        """What all runs share, said once."""
        common = [
            f"{key}={result_value}"
            for key in (self.results[0].overrides if self.results else ())
            if key not in REPLICATE_KEYS
            and not key.startswith(RESULT_NEUTRAL_KEYS)
            and len(values := {result.setting(key) for result in self.results}) == 1
            and (result_value := values.pop())
        ]
        done = [result.metrics for result in self.results if result.metrics["status"] == "completed"]
        same = ({metrics[key] for metrics in done} for key in ("device", "precision"))
        common += [values.pop() for values in same if len(values) == 1]
        for stage, name in (("val", "validation"), ("test", "test")):
            if len(values := {metrics[stage]["total"] for metrics in done if stage in metrics}) == 1:
                common.append(f"{values.pop():,} {name} digits")
        if common:
            yield "All with " + ", ".join(common) + "."

    def _notes(self) -> Iterable[str]:
        done = [result.metrics for result in self.results if result.metrics["status"] == "completed"]
        spread = "mean ± standard deviation over the jobs of a row"
        if any(row.errors("val") for row in self.rows):
            yield (
                f"Best validation error first: {spread}; the interval is Student's, of that mean, or for a single job "
                "Wilson's, of its mistakes. Seconds of training and images a second: medians."
            )
        else:
            yield (
                "No job has finished."
                if not done
                else f"No digits were held out for validation, so nothing is ranked. Test error: {spread}. "
                "Seconds of training and images a second: medians."
            )
        ended = sum(result.metrics["status"] in ("completed", "failed") for result in self.results)
        if open_count := len(self.results) - ended:
            yield f"{open_count} more {'job is' if open_count == 1 else 'jobs are'} not finished."
        if len({metrics["fingerprint"].get("code") for metrics in done if "fingerprint" in metrics}) > 1:
            yield "Not all of these jobs were trained by the same state of the code (`fingerprint` in metrics.json)."
        for fault in self.faults:
            yield f"Left out: {fault}."


def read_results(folders: Iterable[Path]) -> tuple[list[Result], list[str]]:
    """The runs in and below these folders, in the order of their names, and one line for each that cannot be read.

    Raises InputError if a folder does not exist."""
    results, faults, read = [], [], set()
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        runs = folder.glob("*/metrics.json") if (folder / "study.json").exists() else folder.rglob("metrics.json")
        for path in sorted(runs, key=lambda path: _natural(str(path))):
            if path.resolve() in read:
                continue
            read.add(path.resolve())
            try:
                results.append(Result(path.parent, read_metrics(path)))
            except InputError as error:
                faults.append(str(error))
    return results, faults


def short_names(keys: Sequence[str]) -> list[str]:
    """The last part of each dotted key, or all of it where others end so too."""
    last = [key.rpartition(".")[2] for key in keys]
    return [name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)]


def _columns(results: Sequence[Result]) -> Columns:
    """The settings that were asked for and vary; and those that differ all the same between runs alike in these."""
    asked = dict.fromkeys(key for result in results for key in result.overrides)
    columns = []
    for key in asked:
        values = {result.setting(key) for result in results}
        if "." in key:
            values -= {""}  # what does not apply to some runs tells nothing: data.train_csv to those that read MNIST
        columns += [key] if key not in (*REPLICATE_KEYS, *BOOKKEEPING_KEYS) and len(values) > 1 else []
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        if "config" in result.metrics:
            alike[tuple(result.setting(key) for key in columns)].append(flatten(result.metrics["config"]))
    for configs in alike.values():
        for key in dict.fromkeys(key for config in configs for key in config):
            if key not in REPLICATE_KEYS and not key.startswith(RESULT_NEUTRAL_KEYS) and key not in columns:
                values = {json.dumps(config.get(key)) for config in configs}
                columns += [key] if len(values) > 1 else []
    return tuple(columns)


def _rank(row: Row) -> tuple[Any, ...]:
    """By validation error; what has none after that, in the order of its settings, and what only failed last."""
    errors = row.errors("val")
    return not row.done, not errors, statistics.mean(errors) if errors else 0, [_natural(value) for value in row.values]


def _natural(text: str) -> list[tuple[bool, float, str]]:
    """Sorts 5 before 10."""
    parts = []
    for word in text.replace("_", " _ ").replace("-", " - ").split():
        try:
            parts.append((False, float(word), ""))
        except ValueError:
            parts.append((True, 0.0, word))
    return parts


def _cell(text: str) -> str:
    text = text.replace("|", "\\|")
    return text if len(text) <= 120 else text[:119] + "…"

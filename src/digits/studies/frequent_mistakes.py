"""The digits that most runs of the best configuration misclassify."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from digits.files import write_csv
from digits.runs.digit_tables import read_mistakes
from digits.studies.configuration import Configuration
from digits.studies.digit_pictures import save_digits
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import RunResult

DIGIT = ["index", "label"]
KINDS = {"test": "test", "val": "validation"}


def write_frequent_mistakes(board: Leaderboard, folder: Path) -> str | None:
    """Writes misread.csv and misread.png for the first row: its test digits, or its validation digits if no run was
    tested and the folds are complete. Returns one line about them; None without such runs.

    Raises InputError if a mistakes.csv is damaged, or if a file cannot be written."""
    evaluated = _evaluated_runs(board.rows[0]) if board.rows else None
    if evaluated is None:
        return None
    split, of = evaluated.split, evaluated.runs_per_digit
    table = count_mistakes([read_mistakes(run.files, split) for run in evaluated.runs], of)
    table.insert(0, "split", split)
    write_csv(table, folder / "misread.csv")
    captions = [f"{digit.label} → {digit.predicted}  {digit.misclassified_by}/{of}" for digit in table.itertuples()]
    kind = KINDS[split]
    title = f"{board.title}: misclassified {kind} digits\nlabel → most frequent prediction, number of runs"
    save_digits(evaluated.runs[0], split, table, captions, title, folder / "misread.png")
    return f"{folder}/misread.csv, .png: {len(table):,} misclassified {kind} digits"


def count_mistakes(tables: Sequence[pd.DataFrame], of: int) -> pd.DataFrame:
    """One row for each digit in the mistakes of runs: index, label, misclassified_by, of, predicted. The most often
    missed digit is first, among equals the most confident mistake. `predicted` is the most frequent prediction."""
    mistakes = pd.concat(tables, ignore_index=True)
    predictions = mistakes.groupby([*DIGIT, "predicted"], as_index=False).agg(count=("predicted", "size"))
    predictions = predictions.sort_values("count", ascending=False, kind="stable")
    most_frequent = predictions.drop_duplicates(DIGIT)
    counts = mistakes.groupby(DIGIT, as_index=False).agg(
        misclassified_by=("predicted", "size"), confidence=("confidence", "mean")
    )
    counts["of"] = of
    joined = counts.merge(most_frequent, on=DIGIT, validate="one_to_one")
    ordered = joined.sort_values(["misclassified_by", "confidence"], ascending=False, kind="stable", ignore_index=True)
    return ordered[[*DIGIT, "misclassified_by", "of", "predicted"]]


@dataclass(frozen=True)
class EvaluatedRuns:
    """Runs with saved mistakes of `split`, `val` or `test`. Each digit was classified by `runs_per_digit` of them."""

    split: str
    runs: Sequence[RunResult]
    runs_per_digit: int


def _evaluated_runs(row: Configuration) -> EvaluatedRuns | None:
    """The tested runs of a row, or all its folds; None if neither has a digit that several runs could misclassify."""
    saved = [run for run in row.completed if run.files.mistakes_path.is_file()]
    tested = [run for run in saved if run.metrics.test]
    if len(tested) >= 2:
        return EvaluatedRuns("test", tested, len(tested))
    all_saved = len(saved) == len(row.completed)
    if row.folds and all_saved and row.test_error is None:
        return EvaluatedRuns("val", saved, len(row.folds))
    return None

"""The digits that most runs of the best configuration misclassify."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from digits.files import write_csv
from digits.runs.digit_tables import read_mistakes
from digits.studies.digit_pictures import save_digits
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import Configuration, RunResult


def write_misread(board: Leaderboard, folder: Path) -> str | None:
    """Writes misread.csv and misread.png for the first row: its test digits, or its validation digits if no run was
    tested and the folds are complete. Returns one line about them; None without such runs.

    Raises InputError if a mistakes.csv is damaged, or if a file cannot be written."""
    split, runs, of = _select(board.rows[0]) if board.rows else ("", [], 0)
    if not runs:
        return None
    table = count_misread([read_mistakes(run.files, split) for run in runs], of)
    table.insert(0, "split", split)
    write_csv(table, folder / "misread.csv")
    captions = [f"{digit.label} → {digit.predicted}  {digit.misclassified_by}/{of}" for digit in table.itertuples()]
    kind = "test" if split == "test" else "validation"
    title = f"{board.title}: misclassified {kind} digits\nlabel → most frequent prediction, number of runs"
    save_digits(runs[0], split, table, captions, title, folder / "misread.png")
    return f"{folder}/misread.csv, .png: {len(table):,} misclassified {kind} digits"


def count_misread(tables: Sequence[pd.DataFrame], of: int) -> pd.DataFrame:
    """One row for each digit in the mistakes of runs: index, label, misclassified_by, of, predicted. The most often
    missed digit is first, among equals the most confident mistake. `predicted` is the most frequent prediction."""
    mistakes = pd.concat(tables, ignore_index=True)
    predictions = mistakes.groupby(["index", "label", "predicted"], as_index=False).agg(count=("predicted", "size"))
    most_frequent = predictions.sort_values("count", ascending=False, kind="stable").drop_duplicates(["index", "label"])
    counts = mistakes.groupby(["index", "label"], as_index=False).agg(
        misclassified_by=("predicted", "size"), confidence=("confidence", "mean")
    )
    counts["of"] = of
    joined = counts.merge(most_frequent, on=["index", "label"], validate="one_to_one")
    ordered = joined.sort_values(["misclassified_by", "confidence"], ascending=False, kind="stable", ignore_index=True)
    return ordered[["index", "label", "misclassified_by", "of", "predicted"]]


def _select(row: Configuration) -> tuple[str, list[RunResult], int]:
    """Split, runs, and the number of runs that classify each digit."""
    runs = [run for run in row.completed if run.files.mistakes_path.is_file()]
    tested = [run for run in runs if run.metrics.test]
    if len(tested) >= 2:
        return "test", tested, len(tested)
    if row.folds and len(runs) == len(row.completed) and not row.test_error:
        return "val", runs, len(row.folds)
    return "", [], 0

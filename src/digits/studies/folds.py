"""Cross-validation: the out-of-fold predictions of all training digits, and their possible label errors."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from digits.errors import InputError
from digits.files import write_csv
from digits.runs.digit_tables import PROBABILITIES, read_out_of_fold
from digits.studies.digit_pictures import save_digits
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import RunResult


def write_folds(board: Leaderboard, folder: Path) -> str | None:
    """Writes out_of_fold.csv, label_issues.csv and label_issues.png for the first row with complete folds. Returns one
    line about them; None if no row has complete folds with saved probabilities.

    Raises InputError as `join_folds` does, and if a file cannot be written."""
    complete = (row.folds for row in board.rows if row.folds)
    saved = (
        folds
        for folds in complete
        if all(run.files.out_of_fold_path.is_file() for runs in folds.values() for run in runs)
    )
    if (folds := next(saved, None)) is None:
        return None
    table = join_folds(folds, folder)
    issues = find_label_issues(table)
    write_csv(table, folder / "out_of_fold.csv")
    write_csv(issues, folder / "label_issues.csv")
    captions = [f"{issue.label} → {issue.suggested}  {issue.p_suggested:.0%}" for issue in issues.itertuples()]
    run = next(iter(folds.values()))[0]
    title = f"{board.title}: possible label errors\nlabel → suggested label, its probability"
    save_digits(run, "val", issues, captions, title, folder / "label_issues.png")
    contradicted = f"{len(issues):,} of {len(table):,} labels contradicted with confidence"
    return f"{folder}/out_of_fold.csv; label_issues.csv, .png: {contradicted}"


def join_folds(folds: Mapping[str, Sequence[RunResult]], folder: Path) -> pd.DataFrame:
    """The probabilities of all training digits, ordered by index, each from the run that has not trained on it. `folds`
    are the runs by seed. Averages over the seeds.

    Raises InputError if a digit is not in exactly one fold of each seed, or its label differs between seeds."""
    tables = [_join_seed(seed, runs, folder) for seed, runs in folds.items()]
    digits = pd.concat(tables).groupby("index")
    differs = (digits["label"].nunique() != 1) | (digits.size() != len(tables))
    if differs.any():
        raise InputError(
            f"{folder}: digit {differs.idxmax()} is missing or has another label with some seeds; "
            "remove the folders of these runs and train them again"
        )
    return digits.mean().astype({"label": "int64"}).reset_index()


def find_label_issues(table: pd.DataFrame) -> pd.DataFrame:
    """Possible label errors, the least probable label first: index, label, suggested, p_label, p_suggested. `table`
    has out-of-fold probabilities: index, label, p0 … p9.

    Confident learning (Northcutt, Jiang, Chuang 2021, arXiv:1911.00068): the threshold of a class is the mean
    probability of the class over the digits with its label. A digit counts as the most probable class that reaches its
    threshold. Digits that count as another class than their label are returned."""
    labels, probabilities = table["label"].to_numpy(), table[PROBABILITIES].to_numpy()
    thresholds = [probabilities[labels == k, k].mean() if (labels == k).any() else np.inf for k in range(10)]
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = confident.argmax(1)
    issue = np.flatnonzero((confident.max(1) >= 0) & (suggested != labels))
    issues = pd.DataFrame(
        {
            "index": table["index"].to_numpy()[issue],
            "label": labels[issue],
            "suggested": suggested[issue],
            "p_label": probabilities[issue, labels[issue]],
            "p_suggested": probabilities[issue, suggested[issue]],
        }
    )
    return issues.sort_values("p_label", kind="stable", ignore_index=True)


def _join_seed(seed: str, runs: Sequence[RunResult], folder: Path) -> pd.DataFrame:
    table = pd.concat([read_out_of_fold(run.files) for run in runs]).sort_values(
        "index", kind="stable", ignore_index=True
    )
    index = table["index"].to_numpy()
    expected = sum(run.numbers["val_total"] for run in runs)
    wrong = [min(position, index[position]) for position in np.flatnonzero(index != np.arange(len(index)))[:1]]
    if wrong := wrong or ([len(index)] if len(index) < expected else []):
        count = (index == wrong[0]).sum()
        raise InputError(
            f"{folder}: digit {wrong[0]} is in {count} folds of seed {seed} instead of one; "
            "remove the folders of these runs and train them again"
        )
    return table

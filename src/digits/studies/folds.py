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
    folds = _first_saved_folds(board)
    if folds is None:
        return None
    table = join_folds(folds, folder)
    issues = find_label_issues(table)
    write_csv(table, folder / "out_of_fold.csv")
    write_csv(issues, folder / "label_issues.csv")
    captions = [f"{issue.label} → {issue.suggested}  {issue.p_suggested:.0%}" for issue in issues.itertuples()]
    run, *_ = next(iter(folds.values()))
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
    has_one_label = digits["label"].nunique() == 1
    is_in_all_seeds = digits.size() == len(tables)
    differs = ~(has_one_label & is_in_all_seeds)
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
    labels = table["label"].to_numpy()
    probabilities = table[PROBABILITIES].to_numpy()
    thresholds = _class_thresholds(labels, probabilities)
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = confident.argmax(1)
    is_issue = (confident.max(1) >= 0) & (suggested != labels)
    digits = np.arange(len(labels))
    issues = pd.DataFrame(
        {
            "index": table["index"],
            "label": labels,
            "suggested": suggested,
            "p_label": probabilities[digits, labels],
            "p_suggested": probabilities[digits, suggested],
        }
    )
    found: pd.DataFrame = issues[is_issue]
    return found.sort_values("p_label", kind="stable", ignore_index=True)


def _first_saved_folds(board: Leaderboard) -> dict[str, list[RunResult]] | None:
    """The runs by seed of the first row with complete folds and saved probabilities."""
    for row in board.rows:
        runs = [run for of_seed in row.folds.values() for run in of_seed]
        if runs and all(run.files.out_of_fold_path.is_file() for run in runs):
            return row.folds
    return None


def _class_thresholds(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Float [10]: the mean probability of each class over the digits with its label; infinite without such digits."""
    thresholds = np.full(10, np.inf)
    for digit in range(10):
        has_label = labels == digit
        if has_label.any():
            thresholds[digit] = probabilities[has_label, digit].mean()
    return thresholds


def _join_seed(seed: str, runs: Sequence[RunResult], folder: Path) -> pd.DataFrame:
    """The probabilities of all folds of one seed, ordered by index."""
    folds = [read_out_of_fold(run.files) for run in runs]
    table = pd.concat(folds).sort_values("index", kind="stable", ignore_index=True)
    expected = sum(run.numbers["val_total"] for run in runs)
    wrong = _first_wrong_index(table["index"].to_numpy(), expected)
    if wrong is not None:
        count = (table["index"] == wrong).sum()
        raise InputError(
            f"{folder}: digit {wrong} is in {count} folds of seed {seed} instead of one; "
            "remove the folders of these runs and train them again"
        )
    return table


def _first_wrong_index(index: np.ndarray, expected: float) -> int | None:
    """The lowest index from 0 to `expected` - 1 that is not in the sorted `index` exactly once."""
    differs = np.flatnonzero(index != np.arange(len(index)))
    if len(differs) > 0:
        position = int(differs[0])
        return min(position, int(index[position]))
    return len(index) if len(index) < expected else None

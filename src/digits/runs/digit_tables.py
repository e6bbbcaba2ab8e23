"""The predictions of single digits in a run's folder, mistakes.csv and out_of_fold.csv: their writer and reader."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from digits.errors import InputError
from digits.evaluation.evaluate import Evaluation, Misclassified
from digits.files import write_csv
from digits.runs.folder import RunFolder

PROBABILITIES = [f"p{digit}" for digit in range(10)]
MISTAKES = {"split": "str", "index": "int64", "label": "int64", "predicted": "int64", "confidence": "float64"}
OUT_OF_FOLD = {"index": "int64", "label": "int64", **dict.fromkeys(PROBABILITIES, "float64")}
HIGHEST = {"index": 2**62, "label": 9, "predicted": 9, "confidence": 1, **dict.fromkeys(PROBABILITIES, 1)}


def write_mistakes(run: RunFolder, evaluations: Mapping[str, Evaluation]) -> None:
    """Writes the misclassified digits of each stage, `val` or `test`. `index` is the position in the source."""
    table = pd.DataFrame(columns=list(MISTAKES))
    if evaluations:
        table = pd.concat(_mistakes(split, evaluation.misclassified) for split, evaluation in evaluations.items())
    write_csv(table, run.mistakes_path)


def _mistakes(split: str, misclassified: Misclassified) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "split": split,
            "index": misclassified.indices.numpy(),
            "label": misclassified.labels.numpy(),
            "predicted": misclassified.predicted.numpy(),
            "confidence": misclassified.confidence.numpy(),
        }
    )


def read_mistakes(run: RunFolder, split: str) -> pd.DataFrame:
    """The misclassified digits of `val` or `test`: the columns `MISTAKES`. Raises InputError for a damaged file."""
    table = _read(run.mistakes_path, MISTAKES)
    return table[table["split"] == split]


def write_out_of_fold(run: RunFolder, evaluation: Evaluation) -> None:
    """Writes the probabilities of the validation digits of a fold, ordered by their index among the training digits."""
    table = pd.DataFrame(evaluation.logits.softmax(1).numpy(), columns=PROBABILITIES)
    table.insert(0, "index", evaluation.split.indices.numpy())
    table.insert(1, "label", evaluation.split.labels.numpy())
    write_csv(table.sort_values("index"), run.out_of_fold_path)


def read_out_of_fold(run: RunFolder) -> pd.DataFrame:
    """The validation digits of a fold, with the columns `OUT_OF_FOLD`. Raises InputError for a damaged file."""
    return _read(run.out_of_fold_path, OUT_OF_FOLD)


def _read(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    damaged = InputError(f"{path}: damaged; remove its folder and train this run again")
    try:
        table = pd.read_csv(path, usecols=list(columns), dtype=dict(columns), index_col=False)[list(columns)]
    except (OSError, ValueError, OverflowError) as error:
        raise damaged from error
    for name in columns:
        if name in HIGHEST and not table[name].between(0, HIGHEST[name]).all():
            raise damaged
    return table

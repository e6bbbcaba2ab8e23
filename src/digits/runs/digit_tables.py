"""The predictions of single digits in a run's folder, mistakes.csv and out_of_fold.csv: their writer and reader."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from digits.errors import InputError
from digits.evaluation.metrics import Evaluation
from digits.files import write_csv
from digits.runs.folder import RunFolder

PROBABILITIES = [f"p{digit}" for digit in range(10)]
MISTAKES = {"split": "str", "index": "int64", "label": "int64", "predicted": "int64", "confidence": "float64"}
OUT_OF_FOLD = {"index": "int64", "label": "int64", **dict.fromkeys(PROBABILITIES, "float64")}
HIGHEST = {"index": 2**62, "label": 9, "predicted": 9, "confidence": 1, **dict.fromkeys(PROBABILITIES, 1)}


def write_mistakes(run: RunFolder, evaluations: Mapping[str, Evaluation]) -> None:
    """Writes the misclassified digits of each stage, `val` or `test`. `index` is the position in the source."""
    rows = [
        (split, *values)
        for split, evaluation in evaluations.items()
        for values in zip(*(part.tolist() for part in evaluation.misclassified[1:]), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["split", "label", "predicted", "confidence", "index"])
    write_csv(table[list(MISTAKES)], run.mistakes_path)


def read_mistakes(run: RunFolder, split: str) -> pd.DataFrame:
    """The misclassified digits of `val` or `test`: the columns `MISTAKES`. Raises InputError for a damaged file."""
    table = _read(run.mistakes_path, MISTAKES)
    return table[table["split"] == split]


def write_out_of_fold(run: RunFolder, evaluation: Evaluation) -> None:
    """Writes the probabilities of the validation digits of a fold, ordered by their index among the training digits."""
    table = pd.DataFrame(evaluation.logits.softmax(1).numpy(), columns=PROBABILITIES)
    table.insert(0, "index", evaluation.indices.numpy())
    table.insert(1, "label", evaluation.labels.numpy())
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
    if not all(table[name].between(0, HIGHEST[name]).all() for name in columns if name in HIGHEST):
        raise damaged
    return table

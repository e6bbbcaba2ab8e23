"""The predictions of single digits that a run has saved: mistakes.csv and out_of_fold.csv."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from digits.errors import InputError
from digits.files import atomic_write
from digits.runs.folder import RunFolder
from digits.studies.results import RunResult

PROBABILITIES = [f"p{digit}" for digit in range(10)]
INTEGERS = {"index": "int64", "label": "int64"}


def has_mistakes(run: RunResult) -> bool:
    return RunFolder(run.folder).mistakes_path.is_file()


def has_out_of_fold(run: RunResult) -> bool:
    return RunFolder(run.folder).out_of_fold_path.is_file()


def read_mistakes(run: RunResult, split: str) -> pd.DataFrame:
    """The misclassified digits of `val` or `test`: split, index, label, predicted, confidence. Raises InputError for a
    damaged file."""
    columns = {"split": "str", **INTEGERS, "predicted": "int64", "confidence": "float64"}
    table = _read(RunFolder(run.folder).mistakes_path, columns)
    return table[table["split"] == split]


def read_out_of_fold(run: RunResult) -> pd.DataFrame:
    """The validation digits of a fold: index, label, p0 … p9. Raises InputError for a damaged file."""
    return _read(RunFolder(run.folder).out_of_fold_path, {**INTEGERS, **dict.fromkeys(PROBABILITIES, "float64")})


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a CSV file atomically. Raises InputError if it cannot be written."""
    with atomic_write(path) as temp_path:
        table.to_csv(temp_path, index=False, float_format="%.6f", lineterminator="\n")


def _read(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, usecols=list(columns), dtype=columns, index_col=False)[list(columns)]
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: damaged; remove the folder and train this run again") from error
    for name, highest in {"index": 2**62, "label": 9, "predicted": 9, **dict.fromkeys(PROBABILITIES, 1)}.items():
        if name in table and not table[name].between(0, highest).all():
            raise InputError(f"{path}, column {name}: a value is not from 0 to {highest}")
    return table

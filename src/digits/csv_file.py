"""Kaggle's CSV format: a header that names the pixels, then one image a row."""

import csv
import gzip
import io
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from digits.errors import InputError

PIXELS = [f"pixel{k}" for k in range(784)]


def read_csv(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """Images uint8 [N, 28, 28] and labels int64 [N], None if the file has no column `label`. `pixelK` is row
    K // 28, column K % 28, wherever the column stands. `.csv` and `.csv.gz`.

    Raises InputError that names the file, the row (as a text editor counts lines) and the column.
    """
    try:
        columns = _read_header(path)
        values = _read_values(path, columns)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; a CSV of digits is expected") from None
    except (OSError, EOFError, zlib.error, csv.Error) as error:  # most are of a damaged gzip stream
        raise InputError(f"{path}: cannot be read ({error})") from None

    position = {name: index for index, name in enumerate(columns)}
    pixels = torch.from_numpy(values[:, [position[name] for name in PIXELS]])
    labels = torch.from_numpy(values[:, position["label"]]).long() if "label" in position else None
    return pixels.view(-1, 28, 28), labels


def _read_header(path: str | Path) -> list[str]:
    with _open(path) as file:
        columns = next(csv.reader(file), [])
    if not columns:
        raise InputError(f"{path}: empty; the header label,pixel0,…,pixel783 and a row for each image are expected")

    where = f"{path}, row 1"
    known = {"label", *PIXELS}
    if not known.intersection(columns):
        raise InputError(f"{where}: no header; the first row must name the columns label,pixel0,…,pixel783")
    if doubled := [name for name, count in Counter(columns).items() if count > 1]:
        raise InputError(f"{where}: column {doubled[0]!r} stands there {columns.count(doubled[0])} times; keep one")
    if unknown := [name for name in columns if name not in known]:
        raise InputError(
            f"{where}, column {columns.index(unknown[0]) + 1}: unknown column {unknown[0]!r}; "
            "only label and pixel0 … pixel783 are expected"
        )
    if missing := [name for name in PIXELS if name not in columns]:
        raise InputError(f"{where}: column {missing[0]!r} is missing ({len(missing)} of 784 pixel columns are)")
    return columns


def _read_values(path: str | Path, columns: list[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    try:
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # the latter for infinities
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(path, header=None, skiprows=1, names=columns, dtype="uint8", index_col=False)
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        _raise_first_fault(path, columns, otherwise=str(error))
    if frame.empty:
        raise InputError(f"{path}: a header, but no images below it")
    if "label" in frame and frame["label"].max() > 9:
        _raise_first_fault(path, columns, otherwise="a label is above 9")
    return frame.to_numpy()


def _raise_first_fault(path: str | Path, columns: list[str], otherwise: str) -> NoReturn:
    """Slow and exact, where pandas was fast and vague: reads row by row to name the first cell that is wrong."""
    with _open(path) as file:
        reader = csv.reader(file)
        next(reader)
        for cells in filter(None, _rows(path, reader)):
            where = f"{path}, row {reader.line_num}"
            if len(cells) != len(columns):
                raise InputError(f"{where}: {len(cells)} values, but the header names {len(columns)} columns")
            for name, cell in zip(columns, cells, strict=True):
                highest = 9 if name == "label" else 255
                if not _is_whole(cell) or not 0 <= float(cell) <= highest:
                    shown = repr(cell) if cell.strip() else "nothing"
                    raise InputError(
                        f"{where}, column {name!r}: a whole number from 0 to {highest} is expected, not {shown}"
                    )
    raise InputError(f"{path}: cannot be read as digits ({otherwise})")


def _rows(path: str | Path, reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:  # a quotation mark without its other half, most likely
        raise InputError(f"{path}, row {reader.line_num}: {error}") from None


def _is_whole(cell: str) -> bool:
    try:
        return float(cell).is_integer() and "_" not in cell
    except ValueError:
        return False


def _open(path: str | Path) -> io.TextIOBase:
    if Path(path).suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return open(path, encoding="utf-8-sig", newline="")

"""The numbers in the rows of a CSV file of digits: fast where they are written as usual, exact in any case."""

import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np
import pandas as pd

from digits.errors import InputError

BLOCK = 256  # rows: what is computed for so many stays in the cache

Values: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


def read_values(name: str, columns: list[str], lines: Sequence[bytes], first: int) -> Values:
    """Values uint8 [rows, columns] of lines, of which the first is that row of the file `name`.

    Raises InputError that names the first cell that is no whole number from 0 to 255, or to 9 in the column `label`.
    """
    blocks = [plain_values(lines[start : start + BLOCK], len(columns)) for start in range(0, len(lines), BLOCK)]
    plain = [block for block in blocks if block is not None]
    values = np.concatenate(plain) if len(plain) == len(blocks) else _any_values(name, columns, lines, first)
    if "label" in columns and values[:, columns.index("label")].max() > 9:
        _raise_first_fault(name, columns, lines, first, otherwise="a label is above 9")
    return values


def plain_values(lines: Sequence[bytes], columns: int) -> Values | None:
    """The values of lines that hold nothing but numbers of one to three digits and commas; None for any other.

    All bytes are looked at as one array: a number ends where a digit stands before another character, and the two bytes
    before that one are its tens and hundreds, if digits are there.
    """
    text = b"\n\n\n" + b"".join(lines)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if not text.endswith(b"\n"):
        text += b"\n"
    characters = np.frombuffer(text, np.uint8)
    figures = characters - np.uint8(ord("0"))
    is_digit = figures < 10
    figures *= is_digit
    has_tens = is_digit[2:-1] & is_digit[1:-2]
    has_hundreds = has_tens & is_digit[:-3]
    if (has_hundreds[1:] & is_digit[:-4]).any():  # four digits
        return None
    ends = np.flatnonzero(is_digit[2:-1] > is_digit[3:])
    separators = characters[3:][ends]
    if (
        len(ends) != len(lines) * columns
        or len(characters) - 3 != np.count_nonzero(is_digit) + len(ends)  # as many separators as numbers
        or not (separators.reshape(-1, columns)[:, -1] == ord("\n")).all()
        or np.count_nonzero(separators == ord(",")) != len(ends) - len(lines)
    ):
        return None
    below_100 = (figures[2:-1] + np.uint8(10) * figures[1:-2])[ends]
    hundreds = (figures[:-3] * has_tens)[ends]
    if ((hundreds > 2) | ((hundreds == 2) & (below_100 > 55))).any():
        return None
    values: Values = (below_100 + np.uint8(100) * hundreds).reshape(-1, columns)
    return values


def _any_values(name: str, columns: list[str], lines: Sequence[bytes], first: int) -> Values:
    try:
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # the latter for infinities
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            content = io.BytesIO(b"".join(lines))
            frame = pd.read_csv(content, header=None, names=columns, dtype="uint8", index_col=False)
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        _raise_first_fault(name, columns, lines, first, otherwise=str(error))
    values: Values = frame.to_numpy()
    return values


def _raise_first_fault(name: str, columns: list[str], lines: Sequence[bytes], first: int, otherwise: str) -> NoReturn:
    """Slow and exact, where pandas was fast and vague: reads row by row to name the first cell that is wrong."""
    reader = csv.reader(line.decode() for line in lines)
    for cells in filter(None, _rows(name, reader, first)):
        where = f"{name}, row {first - 1 + reader.line_num}"
        if len(cells) != len(columns):
            raise InputError(f"{where}: {len(cells)} values, but the header names {len(columns)} columns")
        for column, cell in zip(columns, cells, strict=True):
            highest = 9 if column == "label" else 255
            if not _is_whole(cell) or not 0 <= float(cell) <= highest:
                shown = repr(cell) if cell.strip() else "nothing"
                raise InputError(
                    f"{where}, column {column!r}: a whole number from 0 to {highest} is expected, not {shown}"
                )
    raise InputError(f"{name}: cannot be read as digits ({otherwise})")


def _rows(name: str, reader: Any, first: int) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:  # a quotation mark without its other half, most likely
        raise InputError(f"{name}, row {first - 1 + reader.line_num}: {error}") from None


def _is_whole(cell: str) -> bool:
    try:
        return float(cell).is_integer() and "_" not in cell and cell.isascii()
    except ValueError:
        return False

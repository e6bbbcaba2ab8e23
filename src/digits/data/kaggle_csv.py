"""Kaggle's CSV format: a header that names the columns, then one image per row. Large files are read in chunks."""

import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from digits.errors import InputError, quoted
from digits.files import open_binary, translate_read_errors

PIXEL_COLUMNS = [f"pixel{k}" for k in range(784)]
MAX_HEADER_BYTES = 1 << 20  # a first line of this length is not a header
MAX_ROW_BYTES = 1 << 15  # 41 characters for each value; a longer line is not a row of digits
MAX_CHUNK_BYTES = 1 << 26  # twice a usual chunk
MAX_BLANK_ROWS = 100_000
CHUNK_ROWS = 8192
ROWS_PER_BLOCK = 256  # the temporary arrays of a block stay in the CPU's cache
QUOTED_CELL = re.compile(rb'(?m)(?:^|(?<=,))"[^",\r\n]*"(?=[,\r\n]|$)')

Values: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


def read_csv(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """Images uint8 [N, 28, 28] and labels int64 [N] of a plain or gzipped file; labels are None without a `label`
    column. Columns may be in any order: `pixelK` is row K // 28, column K % 28 of the image.

    Raises InputError with the file, the row (as a text editor counts lines) and the column.
    """
    with open_binary(path) as file:
        images, labels = zip(*read_chunks(file, str(path), CHUNK_ROWS), strict=True)
    return torch.cat(images), None if labels[0] is None else torch.cat(labels)


def read_chunks(file: BinaryIO, name: str, rows: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yields images and labels, as `read_csv` returns them, of `rows` lines at a time, or fewer if they have 64 MiB.
    Error messages begin with `name`."""
    with translate_read_errors(name):
        columns = _read_header(file, name)
        first_row, blank_rows, empty = 2, 0, True
        while lines := _read_lines(file, rows):
            if any(map(bytes.strip, lines)):
                blank_rows, empty = 0, False
                yield _parse_chunk(name, columns, lines, first_row)
            else:
                blank_rows += len(lines)
            first_row += len(lines)
            if blank_rows > MAX_BLANK_ROWS:
                raise InputError(f"{name}, row {first_row - 1}: after {blank_rows:,} blank lines; remove them")
    if empty:
        raise InputError(f"{name}: a header, but no images below it")


def _read_lines(file: BinaryIO, rows: int) -> list[bytes]:
    """The next lines. A line of `MAX_ROW_BYTES` is cut there; the parser refuses it."""
    lines: list[bytes] = []
    size, longest = 0, 0
    next_lines = iter(partial(file.readline, MAX_ROW_BYTES), b"")
    while size < MAX_CHUNK_BYTES and longest < MAX_ROW_BYTES:
        block = list(islice(next_lines, min(ROWS_PER_BLOCK, rows - len(lines))))
        if not block:
            break
        lengths = list(map(len, block))
        size, longest = size + sum(lengths), max(lengths)
        lines += block
    return lines


def _read_header(file: BinaryIO, name: str) -> list[str]:
    line = file.readline(MAX_HEADER_BYTES)
    if b"\0" in line:
        raise InputError(f"{name}: not a text file; a CSV of digits is expected")
    if b"\r" in line.rstrip(b"\r\n"):
        raise InputError(f"{name}: lines end in CR alone; save the file with line ends LF or CRLF")
    if len(line) == MAX_HEADER_BYTES:
        raise InputError(f"{name}, row 1: no header; it is longer than {MAX_HEADER_BYTES:,} bytes")
    text = line.decode("utf-8-sig")
    columns = next(csv.reader([text]), []) if len(text) < 100_000 else [text]
    if not columns:
        raise InputError(f"{name}: empty; the header label,pixel0,…,pixel783 and one row per image are expected")

    where = f"{name}, row 1"
    known = {"label", *PIXEL_COLUMNS}
    if not known.intersection(columns):
        raise InputError(f"{where}: no header; the first row must name the columns label,pixel0,…,pixel783")
    if repeated := [column for column, count in Counter(columns).items() if count > 1]:
        raise InputError(f"{where}: column {quoted(repeated[0])} occurs {columns.count(repeated[0])} times; keep one")
    if unknown := [(number, column) for number, column in enumerate(columns, 1) if column not in known]:
        number, column = unknown[0]
        raise InputError(f"{where}, column {number}: unknown column {quoted(column)}; use label and pixel0 … pixel783")
    if missing := [column for column in PIXEL_COLUMNS if column not in columns]:
        raise InputError(f"{where}: column {missing[0]!r} is missing ({len(missing)} of 784 pixel columns are)")
    return columns


def _parse_chunk(name: str, columns: list[str], lines: list[bytes], first_row: int) -> tuple[Tensor, Tensor | None]:
    values = parse_rows(name, columns, lines, first_row)
    index = {column: index for index, column in enumerate(columns)}
    order = [index[column] for column in PIXEL_COLUMNS]
    first, end = order[0], order[0] + 784
    in_order = order == list(range(first, end))
    pixels = torch.from_numpy(values[:, first:end] if in_order else values[:, order])  # a slice is five times as fast
    labels = torch.from_numpy(values[:, index["label"]]).long() if "label" in index else None
    return pixels.reshape(-1, 28, 28), labels


def parse_rows(name: str, columns: list[str], lines: Sequence[bytes], first_row: int) -> Values:
    """Values uint8 [rows, columns]. A fast path parses plain integers, pandas all other notations. The first of `lines`
    is line `first_row` of the file `name`.

    Raises InputError for the first cell that is not an integer from 0 to 255, or to 9 in column `label`.
    """
    starts = range(0, len(lines), ROWS_PER_BLOCK)
    blocks = [parse_plain_integers(lines[start : start + ROWS_PER_BLOCK], len(columns)) for start in starts]
    plain = [block for block in blocks if block is not None]
    all_plain = len(plain) == len(blocks)
    values = np.concatenate(plain) if all_plain else _parse_with_pandas(name, columns, lines, first_row)
    if "label" in columns and values[:, columns.index("label")].max() > 9:
        _raise_first_invalid_cell(name, columns, lines, first_row, fallback_message="a label is above 9")
    return values


def parse_plain_integers(lines: Sequence[bytes], columns: int) -> Values | None:
    """Values uint8 [rows, columns] of lines that hold only commas and integers of one to three digits; else None.

    All bytes are processed as one array. A number ends where a digit precedes another character; the two bytes before
    this digit are its tens and hundreds, if they are digits.
    """
    text = b"\n\n\n" + b"".join(lines)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if not text.endswith(b"\n"):
        text += b"\n"
    characters = np.frombuffer(text, np.uint8)
    digit_values = characters - np.uint8(ord("0"))
    is_digit = digit_values < 10
    digit_values *= is_digit
    has_tens = is_digit[2:-1] & is_digit[1:-2]
    has_hundreds = has_tens & is_digit[:-3]
    if (has_hundreds[1:] & is_digit[:-4]).any():  # four digits
        return None
    ends = np.flatnonzero(is_digit[2:-1] > is_digit[3:])
    separators = characters[3:][ends]
    if (
        len(ends) != len(lines) * columns
        or len(characters) - 3 != np.count_nonzero(is_digit) + len(ends)  # one separator per number
        or not (separators.reshape(-1, columns)[:, -1] == ord("\n")).all()
        or np.count_nonzero(separators == ord(",")) != len(ends) - len(lines)
    ):
        return None
    below_100 = (digit_values[2:-1] + np.uint8(10) * digit_values[1:-2])[ends]
    hundreds = (digit_values[:-3] * has_tens)[ends]
    if ((hundreds > 2) | ((hundreds == 2) & (below_100 > 55))).any():
        return None
    values: Values = (below_100 + np.uint8(100) * hundreds).reshape(-1, columns)
    return values


def _parse_with_pandas(name: str, columns: list[str], lines: Sequence[bytes], first_row: int) -> Values:
    content = b"".join(lines)
    # pandas reads a column of booleans as 0 and 1, and "7"1 as 71.
    misread = re.search(rb"[A-DF-Za-df-z]", content) or b'"' in QUOTED_CELL.sub(b"", content)
    if misread or max(map(len, lines)) == MAX_ROW_BYTES:
        _raise_first_invalid_cell(name, columns, lines, first_row, fallback_message="letters or quotation marks")
    try:
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # infinities
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(io.BytesIO(content), header=None, names=columns, dtype="uint8", index_col=False)
    except UnicodeDecodeError:
        raise
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        _raise_first_invalid_cell(name, columns, lines, first_row, fallback_message=str(error))
    values: Values = frame.to_numpy()
    return values


def _raise_first_invalid_cell(
    name: str, columns: list[str], lines: Sequence[bytes], first_row: int, fallback_message: str
) -> NoReturn:
    """Parses line by line to locate the first invalid cell, which pandas does not name."""
    for row, line in enumerate(lines, first_row):
        where = f"{name}, row {row}"
        if len(line) == MAX_ROW_BYTES:
            raise InputError(f"{where}: longer than any row of digits; lines must end in LF or CRLF, not in CR")
        try:
            cells = next(csv.reader([line.decode().rstrip("\r\n")], strict=True), [])
        except csv.Error:
            misplaced = 'quotation mark (")' if b'"' in line else "line end (CR)"
            raise InputError(f"{where}: a misplaced {misplaced}; remove it") from None
        if cells and len(cells) != len(columns):
            raise InputError(f"{where}: {len(cells)} values, but the header names {len(columns)} columns")
        for column, cell in zip(columns, cells, strict=False):
            highest = 9 if column == "label" else 255
            if not _is_integer_text(cell) or not 0 <= float(cell) <= highest:
                expected = f"a whole number from 0 to {highest} is expected"
                shown = quoted(cell) if cell.strip() else "nothing"
                raise InputError(f"{where}, column {column!r}: {expected}, not {shown}")
    raise InputError(f"{name}: cannot be read as digits ({fallback_message})")


def _is_integer_text(cell: str) -> bool:
    try:
        return float(cell).is_integer() and "_" not in cell and cell.isascii()
    except ValueError:
        return False

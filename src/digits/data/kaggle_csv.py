"""Kaggle's CSV format: a header that names the columns, then one image per row. Large files are read in chunks."""

import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from digits.data.plain_integers import Values, parse_plain_integers
from digits.errors import InputError, quoted
from digits.files import open_binary, translate_read_errors

PIXEL_COLUMNS = [f"pixel{k}" for k in range(784)]
KNOWN_COLUMNS = {"label", *PIXEL_COLUMNS}
MAX_HEADER_BYTES = 1 << 20  # a first line of this length is not a header
MAX_ROW_BYTES = 1 << 15  # 41 characters for each value; a longer line is not a row of digits
MAX_CHUNK_BYTES = 1 << 26  # twice a usual chunk
MAX_BLANK_ROWS = 100_000
CHUNK_ROWS = 8192
ROWS_PER_BLOCK = 256  # the temporary arrays of a block stay in the CPU's cache
QUOTED_CELL = re.compile(rb'(?m)(?:^|(?<=,))"[^",\r\n]*"(?=[,\r\n]|$)')


@dataclass(frozen=True)
class Rows:
    """Lines of a file below its header."""

    file: str
    columns: list[str]
    lines: Sequence[bytes]
    first: int
    """the number of the first line in the file, as a text editor counts"""


def read_csv(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """Images uint8 [N, 28, 28] and labels int64 [N] of a plain or gzipped file; labels are None without a `label`
    column. Columns may be in any order: `pixelK` is row K // 28, column K % 28 of the image.

    Raises InputError with the file, the row (as a text editor counts lines) and the column.
    """
    images, labels = [], []
    with open_binary(path) as file:
        for chunk_images, chunk_labels in read_chunks(file, str(path), CHUNK_ROWS):
            images.append(chunk_images)
            if chunk_labels is not None:
                labels.append(chunk_labels)
    return torch.cat(images), torch.cat(labels) if labels else None


def read_chunks(file: BinaryIO, name: str, rows: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yields the images and labels of `rows` lines, or of fewer if they have 64 MiB, as `read_csv` returns them. Error
    messages begin with `name`."""
    with translate_read_errors(name):
        columns = _read_header(file, name)
        row = 2
        blank_rows = 0
        is_empty = True
        while True:
            lines = _read_lines(file, rows)
            if not lines:
                break
            if any(map(bytes.strip, lines)):
                yield _parse_chunk(Rows(name, columns, lines, row))
                blank_rows = 0
                is_empty = False
            else:
                blank_rows += len(lines)
            row += len(lines)
            if blank_rows > MAX_BLANK_ROWS:
                raise InputError(f"{name}, row {row - 1}: after {blank_rows:,} blank lines; remove them")
    if is_empty:
        raise InputError(f"{name}: a header, but no images below it")


def _read_header(file: BinaryIO, name: str) -> list[str]:
    """The names of the columns. Raises InputError if the first line is not a header of digits."""
    line = file.readline(MAX_HEADER_BYTES)
    if b"\0" in line:
        raise InputError(f"{name}: not a text file; a CSV of digits is expected")
    if b"\r" in line.rstrip(b"\r\n"):
        raise InputError(f"{name}: lines end in CR alone; save the file with line ends LF or CRLF")
    if len(line) == MAX_HEADER_BYTES:
        raise InputError(f"{name}, row 1: no header; it is longer than {MAX_HEADER_BYTES:,} bytes")
    text = line.decode("utf-8-sig")
    is_too_long_to_split = len(text) >= 100_000
    columns = [text] if is_too_long_to_split else next(csv.reader([text]), [])
    if not columns:
        raise InputError(f"{name}: empty; the header label,pixel0,…,pixel783 and one row per image are expected")
    _check_columns(columns, where=f"{name}, row 1")
    return columns


def _check_columns(columns: list[str], where: str) -> None:
    """Raises InputError unless each pixel is there once, and `label` at most once."""
    if KNOWN_COLUMNS.isdisjoint(columns):
        raise InputError(f"{where}: no header; the first row must name the columns label,pixel0,…,pixel783")
    for column, count in Counter(columns).items():
        if count > 1:
            raise InputError(f"{where}: column {quoted(column)} occurs {count} times; keep one")
    for number, column in enumerate(columns, 1):
        if column not in KNOWN_COLUMNS:
            raise InputError(
                f"{where}, column {number}: unknown column {quoted(column)}; use label and pixel0 … pixel783"
            )
    missing = [column for column in PIXEL_COLUMNS if column not in columns]
    if missing:
        raise InputError(f"{where}: column {missing[0]!r} is missing ({len(missing)} of 784 pixel columns are)")


def _read_lines(file: BinaryIO, rows: int) -> list[bytes]:
    """The next lines. A line of `MAX_ROW_BYTES` is cut there; the parser refuses it."""
    lines: list[bytes] = []
    size = longest = 0
    next_lines = iter(partial(file.readline, MAX_ROW_BYTES), b"")
    while len(lines) < rows and size < MAX_CHUNK_BYTES and longest < MAX_ROW_BYTES:
        block = list(islice(next_lines, min(ROWS_PER_BLOCK, rows - len(lines))))
        if not block:
            break
        lengths = list(map(len, block))
        size += sum(lengths)
        longest = max(lengths)
        lines += block
    return lines


def _parse_chunk(rows: Rows) -> tuple[Tensor, Tensor | None]:
    with translate_read_errors(rows.file):
        values = parse_rows(rows)
    position = {column: index for index, column in enumerate(rows.columns)}
    order = [position[column] for column in PIXEL_COLUMNS]
    first, end = order[0], order[0] + len(order)
    is_in_order = order == list(range(first, end))
    pixels = values[:, first:end] if is_in_order else values[:, order]  # a slice is five times as fast
    images = torch.from_numpy(pixels).reshape(-1, 28, 28)
    if "label" not in position:
        return images, None
    return images, torch.from_numpy(values[:, position["label"]]).long()


def parse_rows(rows: Rows) -> Values:
    """Values uint8 [rows, columns]. A fast path parses plain integers, pandas all other notations.

    Raises InputError for the first cell that is not an integer from 0 to 255, or to 9 in column `label`.
    """
    values = _parse_blocks(rows)
    if values is None:
        values = _parse_with_pandas(rows)
    if "label" in rows.columns and values[:, rows.columns.index("label")].max() > 9:
        _raise_first_invalid_cell(rows, fallback_message="a label is above 9")
    return values


def _parse_blocks(rows: Rows) -> Values | None:
    """The values if all of them are plain integers."""
    blocks = []
    for start in range(0, len(rows.lines), ROWS_PER_BLOCK):
        block = parse_plain_integers(rows.lines[start : start + ROWS_PER_BLOCK], len(rows.columns))
        if block is None:
            return None
        blocks.append(block)
    return np.concatenate(blocks)


def _parse_with_pandas(rows: Rows) -> Values:
    content = b"".join(rows.lines)
    # pandas reads a column of booleans as 0 and 1, and "7"1 as 71.
    has_letters = re.search(rb"[A-DF-Za-df-z]", content)
    has_misplaced_quotes = b'"' in QUOTED_CELL.sub(b"", content)
    is_cut = max(map(len, rows.lines)) == MAX_ROW_BYTES
    if has_letters or has_misplaced_quotes or is_cut:
        _raise_first_invalid_cell(rows, fallback_message="letters or quotation marks")
    try:
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # infinities
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(io.BytesIO(content), header=None, names=rows.columns, dtype="uint8", index_col=False)
    except UnicodeDecodeError:
        raise
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        _raise_first_invalid_cell(rows, fallback_message=str(error))
    values: Values = frame.to_numpy()
    return values


def _raise_first_invalid_cell(rows: Rows, fallback_message: str) -> NoReturn:
    """Parses line by line to locate the first invalid cell, which pandas does not name."""
    for number, line in enumerate(rows.lines, rows.first):
        _check_line(line, rows.columns, where=f"{rows.file}, row {number}")
    raise InputError(f"{rows.file}: cannot be read as digits ({fallback_message})")


def _check_line(line: bytes, columns: list[str], where: str) -> None:
    """Raises InputError if a line is not blank and not a row of integers for these columns."""
    if len(line) == MAX_ROW_BYTES:
        raise InputError(f"{where}: longer than any row of digits; lines must end in LF or CRLF, not in CR")
    try:
        cells = next(csv.reader([line.decode().rstrip("\r\n")], strict=True), [])
    except csv.Error:
        misplaced = 'quotation mark (")' if b'"' in line else "line end (CR)"
        raise InputError(f"{where}: a misplaced {misplaced}; remove it") from None
    if not cells:
        return
    if len(cells) != len(columns):
        raise InputError(f"{where}: {len(cells)} values, but the header names {len(columns)} columns")
    for column, cell in zip(columns, cells, strict=True):
        highest = 9 if column == "label" else 255
        if not _is_integer_text(cell) or not 0 <= float(cell) <= highest:
            expected = f"a whole number from 0 to {highest} is expected"
            shown = quoted(cell) if cell.strip() else "nothing"
            raise InputError(f"{where}, column {column!r}: {expected}, not {shown}")


def _is_integer_text(cell: str) -> bool:
    try:
        return float(cell).is_integer() and "_" not in cell and cell.isascii()
    except ValueError:
        return False

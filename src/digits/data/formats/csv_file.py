"""Digits as text: Kaggle's CSV and its relatives. Each row is one image. Large files are read in chunks."""

import codecs
import csv
import io
import math
import re
import string
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from digits.data.formats.arrays import FULL_RANGE, Array, ValueRange, find_range
from digits.data.formats.csv_dialect import (
    Dialect,
    count_values,
    dialect_of_header,
    dialect_without_header,
    find_delimiter,
    find_label_end,
    is_header,
    split_row,
)
from digits.data.formats.digit_file import RANGE_IMAGES, FileChunk
from digits.data.formats.plain_integers import parse_plain_integers
from digits.data.formats.resize import resize_to_mnist
from digits.data.formats.text_stream import LineReader
from digits.errors import InputError, quoted
from digits.files import open_binary, translate_read_errors

MAX_HEADER_BYTES = 1 << 20  # a first line of this length is not a header
MAX_ROW_BYTES = 1 << 15  # 41 characters for each value; a longer line is not a row of digits
MAX_CHUNK_BYTES = 1 << 26  # twice a usual chunk
MAX_BLANK_ROWS = 100_000
CHUNK_ROWS = 8192
ROWS_PER_BLOCK = 256  # the temporary arrays of a block stay in the CPU's cache
PEEKED_ROWS = 100  # of a file without a header at a time, which show where the label is
NOT_TEXT = "not a text file, nor another format that is read; save the digits as a CSV, an .npy array or pictures (PNG)"
LETTERS = string.ascii_letters.replace("e", "").replace("E", "").encode()  # in no number
QUOTED_CELL = re.compile(rb'(?m)(?:^|(?<=,))"[^",\r\n]*"(?=[,\r\n]|$)')

Values: TypeAlias = np.ndarray[tuple[int, int], np.dtype[Any]]


@dataclass(frozen=True)
class Rows:
    """Lines of a file below its header."""

    file: str
    dialect: Dialect
    lines: Sequence[bytes]
    first: int
    """the number of the first line in the file, as a text editor counts"""


@dataclass(frozen=True)
class CsvFile:
    """An open text of digits: what was recognized, and its chunks, which are read once."""

    description: str
    chunks: Iterator[FileChunk]


def read_csv(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """Images uint8 [N, 28, 28] and labels int64 [N] of a plain or gzipped file; labels are None without a column of
    labels. `csv_dialect` describes the columns.

    Raises InputError with the file, the row (as a text editor counts lines) and the column.
    """
    images, labels = [], []
    with open_binary(path) as file:
        for chunk in open_csv(file, str(path), CHUNK_ROWS).chunks:
            images.append(torch.from_numpy(chunk.images))
            if chunk.labels is not None:
                labels.append(torch.from_numpy(chunk.labels))
    return torch.cat(images), torch.cat(labels) if labels else None


def open_csv(file: BinaryIO, name: str, rows: int) -> CsvFile:
    """Reads the header, or recognizes the columns without one. Chunks have `rows` digits, or fewer if they have 64 MiB.
    Error messages begin with `name`."""
    with translate_read_errors(name):
        reader = LineReader(file)
        dialect, first_row = _read_dialect(reader, name)
        value_range = _peek_range(reader, name, dialect, first_row)
    description = dialect.describe()
    if value_range not in (None, FULL_RANGE):
        description += f", values {value_range.describe()}"
    return CsvFile(description, _read_chunks(reader, name, dialect, first_row, rows, value_range))


def _peek_range(reader: LineReader, name: str, dialect: Dialect, first_row: int) -> ValueRange | None:
    """The range of values of the first rows. The first `PEEKED_ROWS` are enough if they have large integers. None if
    the rows are blank."""
    value_range = None
    for count in (PEEKED_ROWS, RANGE_IMAGES):
        lines = _read_lines(reader, count)
        for line in reversed(lines):
            reader.push_back(line)
        if any(map(bytes.strip, lines)):
            rows = Rows(name, dialect, lines, first_row)
            values = parse_rows(rows)
            value_range = _find_range(values, rows)
            if value_range == FULL_RANGE and values.max() > 100:
                break
    return value_range


def _read_chunks(
    reader: LineReader, name: str, dialect: Dialect, first_row: int, rows: int, value_range: ValueRange | None
) -> Iterator[FileChunk]:
    row = first_row
    blank_rows = 0
    while True:
        with translate_read_errors(name):
            lines = _read_lines(reader, rows)
            if not lines:
                break
            if any(map(bytes.strip, lines)):
                chunk = Rows(name, dialect, lines, row)
                values = parse_rows(chunk)
                if value_range is None:
                    value_range = _find_range(values, chunk)
                yield _to_digits(values, chunk, value_range)
                blank_rows = 0
            else:
                blank_rows += len(lines)
        row += len(lines)
        if blank_rows > MAX_BLANK_ROWS:
            raise InputError(f"{name}, row {row - 1}: after {blank_rows:,} blank lines; remove them")
    if value_range is None:
        raise InputError(f"{name}: a header, but no images below it")


def _read_dialect(reader: LineReader, name: str) -> tuple[Dialect, int]:
    """The dialect of a text, and the number of its first row of values."""
    row = 1
    line = reader.readline(MAX_HEADER_BYTES)
    while _is_skipped(line) and row <= MAX_BLANK_ROWS:
        line = reader.readline(MAX_HEADER_BYTES)
        row += 1
    where = f"{name}, row {row}"
    if b"\0" in line:
        raise InputError(f"{name}: {NOT_TEXT}")
    if b"\r" in line.rstrip(b"\r\n"):
        raise InputError(f"{name}: lines end in CR alone; save the file with line ends LF or CRLF")
    if len(line) == MAX_HEADER_BYTES:
        raise InputError(f"{where}: no header; it is longer than {MAX_HEADER_BYTES:,} bytes")
    text = line.decode("utf-8-sig")
    if not text.strip():
        raise InputError(f"{name}: empty; the header label,pixel0,…,pixel783 and one row per image are expected")
    delimiter = find_delimiter(text)
    if delimiter is None:
        raise InputError(f"{where}: {_describe_few_columns(text)}")
    cells = split_row(text, delimiter)
    if is_header(cells):
        _require_unique(cells, where)
        return dialect_of_header(cells, delimiter, where), row + 1
    reader.push_back(line)
    return _read_dialect_without_header(reader, delimiter, where), row


def _is_skipped(line: bytes) -> bool:
    """Whether a line above the header is blank, a comment, or Excel's name of the delimiter."""
    text = line.removeprefix(codecs.BOM_UTF8)
    is_blank = text != b"" and not text.strip()
    is_complete = len(line) < MAX_HEADER_BYTES
    return is_complete and (is_blank or text.startswith((b"#", b"sep=")))


def _read_dialect_without_header(reader: LineReader, delimiter: str, where: str) -> Dialect:
    """Looks at the first rows and pushes them back. Files that are sorted by class begin with many labels 0."""
    lines: list[bytes] = []
    rows: list[list[str]] = []
    label_end = None
    size = 0
    while label_end is None and size < MAX_CHUNK_BYTES:
        block = _read_lines(reader, PEEKED_ROWS)
        if not block:
            break
        lines += block
        size += sum(map(len, block))
        texts = [line.decode("utf-8-sig") for line in block]
        rows += [split_row(text, delimiter) for text in texts if text.strip()]
        last = count_values(rows[0]) - 1
        label_end = find_label_end([row[0] for row in rows], [row[last] for row in rows if len(row) > last])
    for line in reversed(lines):
        reader.push_back(line)
    return dialect_without_header(rows, delimiter, where)


def _describe_few_columns(text: str) -> str:
    """What a text with few columns is."""
    names = text.strip().lower()
    if names.replace(" ", "") in ("imageid,label", "file,label"):
        return "a submission: predictions without pixels; give the file that they were made from"
    cells = re.split(r"[,;\t ]", names)
    if len(cells) == 1:
        return "one column: labels without images? The images are expected, one per row, as pixel0 … pixel783"
    return "no header; the first row must name the columns label,pixel0,…,pixel783, or hold 784 values"


def _require_unique(columns: Sequence[str], where: str) -> None:
    """Raises InputError if a column occurs twice."""
    for column, count in Counter(columns).items():
        if count > 1 and column != "":
            raise InputError(f"{where}: column {quoted(column)} occurs {count} times; keep one")


def _read_lines(reader: LineReader, rows: int) -> list[bytes]:
    """The next lines. A line of `MAX_ROW_BYTES` is cut there; the parser refuses it."""
    lines: list[bytes] = []
    size = longest = 0
    next_lines = iter(partial(reader.readline, MAX_ROW_BYTES), b"")
    while len(lines) < rows and size < MAX_CHUNK_BYTES and longest < MAX_ROW_BYTES:
        block = list(islice(next_lines, min(ROWS_PER_BLOCK, rows - len(lines))))
        if not block:
            break
        lengths = list(map(len, block))
        size += sum(lengths)
        longest = max(lengths)
        lines += block
    return lines


def parse_rows(rows: Rows) -> Values:
    """The values [rows, columns] of all columns: uint8 by a fast path for plain integers, else float64 by pandas, in
    which ignored columns are 0.

    Raises InputError for the first cell that is not a number, and for labels that are not from 0 to 9."""
    values: Values | None = None
    if rows.dialect.delimiter != " " and not rows.dialect.ignored:
        values = _parse_blocks(rows)
    if values is None:
        values = _parse_with_pandas(rows)
    label = rows.dialect.label
    if label is not None:
        labels = values[:, label]
        is_digit = (labels >= 0) & (labels <= 9) & (labels == labels.round())
        if not is_digit.all():
            _raise_first_invalid_cell(rows, fallback_message="a label is above 9")
    return values


def _find_range(values: Values, rows: Rows) -> ValueRange:
    """The range of values of a file, from its first rows. Raises InputError if they are not all of one known range."""
    is_integer = values.dtype == np.uint8
    if is_integer and values.max() > 100:  # the usual case, decided without a copy of the pixels
        return FULL_RANGE
    pixels = _select_pixels(values, rows.dialect.pixels)
    lowest, highest = pixels.min(), pixels.max()
    is_whole = is_integer or bool((pixels == pixels.round()).all())
    can_have_fractions = highest <= 1 or (lowest < 0 and highest < 3)
    if not is_whole and not can_have_fractions:
        _raise_first_invalid_cell(rows, fallback_message="values with fractions above 1")
    try:
        return find_range(pixels, len(pixels), rows.file)
    except InputError:
        _raise_first_invalid_cell(rows, fallback_message=f"values from {lowest:g} to {highest:g}")


def _to_digits(values: Values, rows: Rows, value_range: ValueRange) -> FileChunk:
    dialect = rows.dialect
    pixels = _select_pixels(values, dialect.pixels)
    if value_range == FULL_RANGE and values.dtype != np.uint8:
        is_byte = (pixels >= 0) & (pixels <= 255) & (pixels == pixels.round())
        if not is_byte.all():
            _raise_first_invalid_cell(rows, fallback_message="a value is not from 0 to 255")
        pixels = pixels.astype(np.uint8)
    images = value_range.to_uint8(pixels, f"{rows.file}, rows {rows.first} to {rows.first + len(rows.lines) - 1}")
    images = resize_to_mnist(images.reshape(-1, dialect.side, dialect.side))
    labels = None if dialect.label is None else values[:, dialect.label].astype(np.int64)
    return FileChunk(images, labels, progress=None)


def _select_pixels(values: Values, positions: Sequence[int]) -> Array:
    """The columns of the pixels, in their order. A slice is five times as fast as a selection."""
    first, end = positions[0], positions[0] + len(positions)
    if list(positions) == list(range(first, end)):
        return values[:, first:end]
    return values[:, list(positions)]


def _parse_blocks(rows: Rows) -> Values | None:
    """The values if all of them are plain integers."""
    delimiter = rows.dialect.delimiter.encode()
    blocks = []
    for start in range(0, len(rows.lines), ROWS_PER_BLOCK):
        lines = rows.lines[start : start + ROWS_PER_BLOCK]
        if delimiter != b",":
            if any(b"," in line for line in lines):  # decimal commas
                return None
            lines = [line.replace(delimiter, b",") for line in lines]
        block = parse_plain_integers(lines, rows.dialect.column_count)
        if block is None:
            return None
        blocks.append(block)
    return np.concatenate(blocks)


def _parse_with_pandas(rows: Rows) -> Values:
    dialect = rows.dialect
    content = b"".join(rows.lines)
    # pandas reads a column of booleans as 0 and 1, and "7"1 as 71.
    has_letters = not dialect.ignored and len(content.translate(None, LETTERS)) < len(content)
    has_misplaced_quotes = b'"' in content and b'"' in QUOTED_CELL.sub(b"", content)
    is_cut = max(map(len, rows.lines)) == MAX_ROW_BYTES
    if has_letters or has_misplaced_quotes or is_cut:
        _raise_first_invalid_cell(rows, fallback_message="letters or quotation marks")
    used = [position for position in range(dialect.column_count) if dialect.is_used(position)]
    types = {position: np.float64 if dialect.is_used(position) else str for position in range(dialect.column_count)}
    try:
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # infinities
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            # `usecols` would also accept rows with more values, see findings/pandas_usecols_accepts_longer_rows.sh.
            frame = pd.read_csv(
                io.BytesIO(content),
                header=None,
                names=range(dialect.column_count),
                dtype=types,
                index_col=False,
                sep=r"\s+" if dialect.delimiter == " " else dialect.delimiter,
                decimal="," if dialect.delimiter != "," and b"," in content else ".",
            )
    except UnicodeDecodeError:
        raise
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        _raise_first_invalid_cell(rows, fallback_message=str(error))
    is_complete = len(used) == dialect.column_count
    values = frame.to_numpy() if is_complete else frame[used].to_numpy()
    if not np.isfinite(values).all():
        _raise_first_invalid_cell(rows, fallback_message="a value is missing or not a number")
    if is_complete:
        return values
    complete = np.zeros((len(values), dialect.column_count))
    complete[:, used] = values
    return complete


def _raise_first_invalid_cell(rows: Rows, fallback_message: str) -> NoReturn:
    """Parses line by line to locate the first invalid cell, which pandas does not name: a cell that is no number, or
    else one that is no integer, as files of integers have a few invalid cells and files of fractions have many."""
    for needs_integers in (False, True):
        for number, line in enumerate(rows.lines, rows.first):
            _check_line(line, rows.dialect, f"{rows.file}, row {number}", needs_integers=needs_integers)
    raise InputError(f"{rows.file}: cannot be read as digits ({fallback_message})")


def _check_line(line: bytes, dialect: Dialect, where: str, *, needs_integers: bool) -> None:
    """Raises InputError if a line is not blank and not a row of numbers for these columns, whole ones if
    `needs_integers`."""
    if len(line) == MAX_ROW_BYTES:
        raise InputError(f"{where}: longer than any row of digits; lines must end in LF or CRLF, not in CR")
    cells = _split_strictly(line, dialect.delimiter, where)
    if not cells:
        return
    if len(cells) != dialect.column_count:
        expected = "the header names" if dialect.has_header else "the first row has"
        raise InputError(f"{where}: {len(cells)} values, but {expected} {dialect.column_count} columns")
    for position, cell in enumerate(cells):
        if not dialect.is_used(position):
            continue
        is_label = position == dialect.label
        highest = 9 if is_label else 255
        text = cell.replace(",", ".")
        if needs_integers or is_label:
            is_valid = _is_integer_text(text) and 0 <= float(text) <= highest
        else:
            is_valid = _is_finite_text(text)
        if not is_valid:
            expected = f"a whole number from 0 to {highest}" if needs_integers or is_label else "a number"
            shown = quoted(cell) if cell.strip() else "nothing"
            raise InputError(f"{where}, column {dialect.name_of(position)}: {expected} is expected, not {shown}")


def _split_strictly(line: bytes, delimiter: str, where: str) -> list[str]:
    text = line.decode().rstrip("\r\n")
    if delimiter == " ":
        return text.split()
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        misplaced = 'quotation mark (")' if b'"' in line else "line end (CR)"
        raise InputError(f"{where}: a misplaced {misplaced}; remove it") from None


def _is_integer_text(cell: str) -> bool:
    return _is_finite_text(cell) and float(cell).is_integer()


def _is_finite_text(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and "_" not in cell and cell.isascii()
    except ValueError:
        return False

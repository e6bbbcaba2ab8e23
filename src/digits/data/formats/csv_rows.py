"""Rows of text as numbers: quickly where the notation is plain, cell by cell for all others and to locate errors."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np

from digits.data.formats.arrays import FULL_RANGE, Array, ValueRange, find_range, find_stray_value
from digits.data.formats.csv_dialect import Dialect
from digits.data.formats.plain_decimals import parse_plain_decimals, to_number
from digits.data.formats.plain_integers import parse_plain_integers
from digits.errors import InputError, quoted

MAX_ROW_BYTES = 1 << 15  # 41 characters for each value; a longer line is not a row of digits
# Rows that are parsed at a time: their temporary arrays stay in the CPU's cache.
INTEGER_ROWS = 256
DECIMAL_ROWS = 40
CONVERTED_ROWS = 256

Values: TypeAlias = np.ndarray[tuple[int, int], np.dtype[Any]]


@dataclass(frozen=True)
class Rows:
    """Lines of a file below its header."""

    file: str
    dialect: Dialect
    lines: Sequence[bytes]
    first: int
    """the number of the first line in the file, as a text editor counts"""

    def describe_cell(self, row: int, pixel: int) -> str:
        """The place of a pixel in the file. Blank lines are not counted as rows of values."""
        numbers = [number for number, line in enumerate(self.lines, self.first) if not line.isspace()]
        column = self.dialect.name_of(self.dialect.pixels[pixel])
        return f"{self.file}, row {numbers[row]}, column {column}"


@dataclass(frozen=True)
class Table:
    """The values of rows, in the order of the pixels."""

    pixels: Values
    """uint8 or float64 [N, pixels]"""
    labels: Array | None
    """int64 [N]"""


def parse_rows(rows: Rows) -> Table:
    """The values of all rows that are not blank.

    Raises InputError for the first cell that is not a number, and for labels that are not from 0 to 9."""
    values = _parse_plain(rows)
    if values is None:
        values = _parse_cells(rows)
    dialect = rows.dialect
    pixels = _select(values, dialect.pixel_places)
    if dialect.label_place is None:
        return Table(pixels, None)
    labels = values[:, dialect.label_place]
    is_digit = (labels >= 0) & (labels <= 9) & (labels == labels.round())
    if not is_digit.all():
        labels = _parse_cells(rows)[:, dialect.label_place]  # raises the error
    return Table(pixels, labels.astype(np.int64))


def _select(values: Values, places: Sequence[int]) -> Values:
    """The columns at some places. A slice is five times as fast as a selection."""
    first, end = places[0], places[0] + len(places)
    if list(places) == list(range(first, end)):
        return values[:, first:end]
    return values[:, list(places)]


def _parse_plain(rows: Rows) -> Values | None:
    """The used columns, uint8 if all of them are integers, else float64. None for rows that need a closer look."""
    lines = [line for line in rows.lines if not line.isspace()]
    if max(map(len, lines)) == MAX_ROW_BYTES:  # a line that was cut
        return None
    columns = len(rows.dialect.used)
    blocks: list[Values] = []
    has_integers = b"." not in lines[0]
    start = 0
    while start < len(lines):
        block = lines[start : start + (INTEGER_ROWS if has_integers else DECIMAL_ROWS)]
        text = _to_plain_text(block, rows.dialect)
        if text is None:
            return None
        values: Values | None
        if has_integers:
            values = parse_plain_integers(text, len(block), columns)
            has_integers = values is not None
            if values is None:
                continue
        else:
            values = parse_plain_decimals(text, len(block), columns)
            if values is None:
                return None
        blocks.append(values)
        start += len(block)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)  # one block of integers is not copied


def _to_plain_text(lines: Sequence[bytes], dialect: Dialect) -> bytes | None:
    """The lines without ignored columns and quotation marks, with commas between the cells, and LF behind each line."""
    delimiter = dialect.delimiter.encode()
    if dialect.ignored:
        kept = _drop_ignored(lines, dialect)
        if kept is None:
            return None
        lines = kept
    text = b"".join(lines)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if not text.endswith(b"\n"):
        text += b"\n"
    # The first line shows the notation. Rows that differ from it are read cell by cell.
    if delimiter == b" " and _has_several_blanks(lines[0]):
        text = _collapse_blanks(text)
    if delimiter != b",":
        text = text.replace(b",", b".")  # decimal commas
        text = text.replace(delimiter, b",")
    if b'"' in lines[0]:
        unquoted = _strip_quotes(text)
        if unquoted is None:
            return None
        text = unquoted
    if delimiter == b"," and b" " in lines[0]:
        text = text.replace(b", ", b",").replace(b" ,", b",")
    return text


def _drop_ignored(lines: Sequence[bytes], dialect: Dialect) -> list[bytes] | None:
    """The lines without ignored columns. None if a line has another number of columns, as far as that is looked at."""
    delimiter = dialect.delimiter.encode()
    split_at = None if delimiter == b" " else delimiter  # None: at several blanks
    first = dialect.used[0]
    if len(dialect.used) == dialect.column_count - first:
        return [line.split(split_at, first)[-1] for line in lines]
    kept = []
    for line in lines:
        cells = line.rstrip(b"\r\n").split(split_at)
        if len(cells) != dialect.column_count:
            return None
        used = [cells[position] for position in dialect.used]
        kept.append(delimiter.join(used) + b"\n")
    return kept


def _has_several_blanks(line: bytes) -> bool:
    return b"  " in line or b"\t" in line or line.startswith(b" ") or line.rstrip(b"\r\n").endswith(b" ")


def _collapse_blanks(text: bytes) -> bytes:
    """One blank between two cells, and none at the ends of a line."""
    text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text.replace(b" \n", b"\n").replace(b"\n ", b"\n").lstrip(b" ")


def _strip_quotes(text: bytes) -> bytes | None:
    """A text without the quotation marks around cells. None if there are others."""
    characters = np.frombuffer(b"\n" + text, np.uint8)
    is_quote = characters == ord('"')
    is_separator = (characters == ord(",")) | (characters == ord("\n"))
    quotes = np.flatnonzero(is_quote)
    opening, closing = quotes[0::2], quotes[1::2]
    if len(opening) != len(closing):
        return None
    separators_before = np.cumsum(is_separator, dtype=np.int32)
    is_cell = separators_before[opening] == separators_before[closing]
    if not (is_cell & is_separator[opening - 1] & is_separator[closing + 1]).all():
        return None
    unquoted: Array = characters[~is_quote]
    return unquoted.tobytes()[1:]


def _parse_cells(rows: Rows) -> Values:
    """The used columns float64, cell by cell. Raises InputError for the first cell that is not a number, and for the
    first label that is not from 0 to 9."""
    parsed = []
    for number, line in enumerate(rows.lines, rows.first):
        where = f"{rows.file}, row {number}"
        cells = _split_line(line, rows.dialect, where)
        if not cells:
            continue
        values = []
        for position in rows.dialect.used:
            if position == rows.dialect.label:
                value = _parse_whole(cells[position], 9, rows.dialect, position, where)
            else:
                value = _parse_number(cells[position], rows.dialect, position, where)
            values.append(value)
        parsed.append(values)
    return np.array(parsed)


def _split_line(line: bytes, dialect: Dialect, where: str) -> list[str]:
    """The cells of a line, none of a blank one. Raises InputError for another number of cells than the dialect's."""
    if len(line) == MAX_ROW_BYTES:
        raise InputError(f"{where}: longer than any row of digits; lines must end in LF or CRLF, not in CR")
    text = line.decode().rstrip("\r\n")
    if dialect.delimiter == " ":
        cells = text.split()
    else:
        try:
            cells = next(csv.reader([text], delimiter=dialect.delimiter, strict=True), [])
        except csv.Error:
            misplaced = 'quotation mark (")' if b'"' in line else "line end (CR)"
            raise InputError(f"{where}: a misplaced {misplaced}; remove it") from None
    if line.isspace():
        return []
    if len(cells) != dialect.column_count:
        expected = "the header names" if dialect.has_header else "the first row has"
        raise InputError(f"{where}: {len(cells)} values, but {expected} {dialect.column_count} columns")
    return cells


def _parse_number(cell: str, dialect: Dialect, position: int, where: str) -> float:
    value = _to_number(cell, dialect)
    if value is None:
        raise InputError(_describe_cell(cell, "a number", dialect, position, where))
    return value


def _parse_whole(cell: str, highest: int, dialect: Dialect, position: int, where: str) -> float:
    value = _to_number(cell, dialect)
    if value is None or not value.is_integer() or not 0 <= value <= highest:
        expected = f"a whole number from 0 to {highest}"
        raise InputError(_describe_cell(cell, expected, dialect, position, where))
    return value


def _to_number(cell: str, dialect: Dialect) -> float | None:
    if dialect.delimiter != ",":
        cell = cell.replace(",", ".")
    return to_number(cell)


def _describe_cell(cell: str, expected: str, dialect: Dialect, position: int, where: str) -> str:
    shown = quoted(cell) if cell.strip() else "nothing"
    return f"{where}, column {dialect.name_of(position)}: {expected} is expected, not {shown}"


def range_of_rows(table: Table, rows: Rows) -> ValueRange:
    """The range of values of a file, from its first rows. Raises InputError if they are not all of one known range."""
    pixels = table.pixels
    is_integer = pixels.dtype == np.uint8
    stray = find_stray_value(pixels)
    if stray is not None:
        row, pixel = stray
        raise InputError(
            f"{rows.describe_cell(row, pixel)}: the value {pixels[row, pixel]:g}, but nearly all others are from 0 to 1"
        )
    lowest, highest = pixels.min(), pixels.max()
    can_have_fractions = highest <= 1 or (lowest < 0 and highest < 3)
    if not is_integer and not can_have_fractions and not (pixels == pixels.round()).all():
        _raise_first_invalid_pixel(rows)
    try:
        return find_range(pixels, len(pixels), rows.file)
    except InputError:
        _raise_first_invalid_pixel(rows)


def read_rows(rows: Rows, value_range: ValueRange) -> Table:
    """The pixels as uint8 [N, pixels], and the labels. Raises InputError as `parse_rows` does, and for the first value
    outside of the range of the file."""
    pixels, labels = [], []
    for start in range(0, len(rows.lines), CONVERTED_ROWS):
        lines = rows.lines[start : start + CONVERTED_ROWS]
        if all(line.isspace() for line in lines):
            continue
        part = Rows(rows.file, rows.dialect, lines, rows.first + start)
        table = parse_rows(part)
        pixels.append(_to_bytes(table, part, value_range))
        if table.labels is not None:
            labels.append(table.labels)
    return Table(np.concatenate(pixels), np.concatenate(labels) if labels else None)


def _to_bytes(table: Table, rows: Rows, value_range: ValueRange) -> Array:
    """The pixels as uint8 [N, pixels]. Raises InputError for the first value outside of the range of the file."""
    pixels = table.pixels
    if value_range == FULL_RANGE:
        if pixels.dtype == np.uint8:
            return pixels
        is_byte = (pixels >= 0) & (pixels <= 255) & (pixels == pixels.round())
        if not is_byte.all():
            _raise_first_invalid_pixel(rows)
        return pixels.astype(np.uint8)
    converted = value_range.to_uint8(pixels)
    if converted is not None:
        return converted
    row, pixel = value_range.find_outside(pixels)
    raise InputError(
        f"{rows.describe_cell(row, pixel)}: the value {pixels[row, pixel]:g}, but the first rows range "
        f"{value_range.describe()}"
    )


def _raise_first_invalid_pixel(rows: Rows) -> NoReturn:
    """Raises InputError for the first pixel that is not a whole number from 0 to 255."""
    dialect = rows.dialect
    for number, line in enumerate(rows.lines, rows.first):
        where = f"{rows.file}, row {number}"
        cells = _split_line(line, dialect, where)
        for position in dialect.used if cells else []:
            if position != dialect.label:
                _parse_whole(cells[position], 255, dialect, position, where)
    raise InputError(f"{rows.file}: values of no known range; save them from 0 to 255, or from 0 to 1")

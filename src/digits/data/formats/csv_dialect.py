"""Dialects of digits as text: the delimiter, and what each column holds."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from digits.data.formats.arrays import SIDES, find_label_end
from digits.errors import InputError, quoted

DELIMITERS = {";": "semicolons", "\t": "tabs", ",": "commas", " ": "blanks"}
"""In the order in which they are tried: behind semicolons and tabs, a comma can be a decimal comma."""
LABEL_NAMES = ("label", "class", "target", "digit", "y", "number")
"""In lower case."""
MIN_PIXELS = min(SIDES) ** 2
NUMBERED = re.compile(r"(.*?)(\d{1,9})")  # pixel12, f12, 12
ROW_AND_COLUMN = re.compile(r"(?:pixel_)?(\d{1,9})[x_](\d{1,9})")  # 1x28, and pixel_0_7 of scikit-learn


@dataclass(frozen=True)
class Dialect:
    """How the rows of a text are read. `pixels` are the positions of the columns in the order of the pixels."""

    delimiter: str
    has_header: bool
    side: int
    pixels: Sequence[int]
    label: int | None
    columns: Sequence[str]
    """the names in the header, or the numbers of the columns from 1"""
    ignored: Sequence[str] = ()
    """the names of columns that hold neither pixels nor labels"""

    @property
    def column_count(self) -> int:
        return len(self.columns)

    @cached_property
    def used(self) -> Sequence[int]:
        """The positions of the pixels and the label, from the left."""
        positions = set(self.pixels)
        if self.label is not None:
            positions.add(self.label)
        return sorted(positions)

    @cached_property
    def pixel_places(self) -> Sequence[int]:
        """The places of the pixels among the used columns."""
        places = {position: place for place, position in enumerate(self.used)}
        return [places[position] for position in self.pixels]

    @cached_property
    def label_place(self) -> int | None:
        """The place of the label among the used columns."""
        return None if self.label is None else self.used.index(self.label)

    def name_of(self, position: int) -> str:
        """A column in a message."""
        return quoted(self.columns[position])

    def describe(self) -> str:
        """What was recognized: `columns label, 1x1 … 28x28, separated by semicolons`."""
        names = [self.columns[self.label]] if self.label is not None and self.has_header else []
        first, last = self.columns[self.pixels[0]], self.columns[self.pixels[-1]]
        names.append(f"{first} … {last}")
        parts = [f"columns {', '.join(names)}"]
        if not self.has_header:
            place = {None: "no labels", 0: "the label first"}.get(self.label, "the label last")
            parts = [f"no header, {place}, {len(self.pixels)} pixels"]
        if self.delimiter != ",":
            parts.append(f"separated by {DELIMITERS[self.delimiter]}")
        if self.side != 28:
            parts.append(f"{self.side}×{self.side} pixels scaled to 28×28 as pictures are")
        if self.ignored:
            parts.append(f"not read: column {', '.join(map(quoted, self.ignored[:3]))}")
        return ", ".join(parts)


def find_delimiter(line: str) -> str | None:
    """The character between the values of a row. None if the row has too few values for a digit."""
    for delimiter in DELIMITERS:
        parts = split_row(line, delimiter)
        if len(parts) >= MIN_PIXELS:
            return delimiter
    return None


def split_row(line: str, delimiter: str) -> list[str]:
    """The cells of a line. Several blanks are one delimiter."""
    line = line.strip("\r\n")
    if delimiter == " ":
        return line.split()
    cells = next(csv.reader([line], delimiter=delimiter), [])
    return [cell.strip() for cell in cells]


def is_number(cell: str) -> bool:
    """Whether a cell is a value rather than a name. A decimal comma is read too."""
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row holds names: words, or the numbers of the columns, 0 … 783. A last cell may be empty."""
    named = list(cells[:-1]) if cells[-1] == "" else list(cells)
    if not all(is_number(cell) for cell in named):
        return True
    counted_from_0 = [str(index) for index in range(len(named))]
    counted_from_1 = [str(index + 1) for index in range(len(named))]
    return named in (counted_from_0, counted_from_1)


def dialect_of_header(cells: Sequence[str], delimiter: str, where: str) -> Dialect:
    """The dialect of a header: pixel0 … pixel783, pixel1 … pixel784, 1x1 … 28x28, 0 … 783, f0 … f783 or similar names,
    with a label column of any of `LABEL_NAMES` anywhere.

    Raises InputError, which begins with `where`, if the names are not those of the pixels of an image."""
    label = _find_label(cells, where)
    positions = _find_pixels(cells)
    side = _find_side(len(positions))
    if side is None:
        raise InputError(f"{where}: {_describe_wrong_names(cells, positions)}")
    ignored = []
    pixel_positions = set(positions)
    for position, cell in enumerate(cells):
        if position not in pixel_positions and position != label:
            ignored.append(cell)
    return Dialect(delimiter, True, side, positions, label, cells, ignored)


def _describe_wrong_names(cells: Sequence[str], positions: Sequence[int]) -> str:
    """Why the names are not those of the pixels of an image."""
    kaggle = [f"pixel{number}" for number in range(784)]
    missing = [name for name in kaggle if name not in cells]
    if "pixel0" in cells and missing:
        return f"column {missing[0]!r} is missing ({len(missing)} of 784 pixel columns are)"
    message = f"{len(positions):,} columns of pixels; 784 are expected, pixel0 … pixel783"
    if _find_side(len(positions) - 1) is not None:
        return f"{message}; name the column of the labels 'label'"
    return f"{message}, not {', '.join(map(quoted, cells[:2]))}, …"


def _find_label(cells: Sequence[str], where: str) -> int | None:
    found = [position for position, cell in enumerate(cells) if cell.lower() in LABEL_NAMES]
    if len(found) > 1:
        names = " and ".join(quoted(cells[position]) for position in found[:2])
        raise InputError(f"{where}: the columns {names} could both be the labels; remove one")
    return found[0] if found else None


def _find_pixels(cells: Sequence[str]) -> list[int]:
    """The positions of the columns whose names are those of pixels, in the order of the pixels."""
    by_row_and_column = _find_rows_and_columns(cells)
    if by_row_and_column:
        return by_row_and_column
    numbers_by_prefix: dict[str, dict[int, int]] = {}
    for position, cell in enumerate(cells):
        if match := NUMBERED.fullmatch(cell):
            prefix, number = match[1], int(match[2])
            numbers_by_prefix.setdefault(prefix, {})[number] = position
    longest: list[int] = []
    for numbers in numbers_by_prefix.values():
        first = min(numbers)
        is_complete = first in (0, 1) and max(numbers) - first == len(numbers) - 1
        if is_complete and len(numbers) > len(longest):
            longest = [numbers[number] for number in sorted(numbers)]
    return longest


def _find_rows_and_columns(cells: Sequence[str]) -> list[int]:
    """The positions of 1x1 … 28x28, row by row."""
    places: dict[tuple[int, int], int] = {}
    for position, cell in enumerate(cells):
        if match := ROW_AND_COLUMN.fullmatch(cell):
            places[int(match[1]), int(match[2])] = position
    return [places[place] for place in sorted(places)]


def _find_side(pixel_count: int) -> int | None:
    for side in SIDES:
        if side * side == pixel_count:
            return side
    return None


def dialect_without_header(rows: Sequence[Sequence[str]], delimiter: str, where: str) -> Dialect:
    """The dialect of rows without a header: 784 pixels, or 785 values with the label first or last.

    Raises InputError, which begins with `where`, for other numbers of values."""
    columns = [str(number + 1) for number in range(len(rows[0]))]
    count = count_values(rows[0])
    ignored = columns[count:]
    side = _find_side(count)
    if side is not None:
        return Dialect(delimiter, False, side, range(count), None, columns, ignored)
    side = _find_side(count - 1)
    if side is None:
        raise InputError(
            f"{where}: {count:,} values in a row and no names; 784 pixels, or a label and 784 pixels, are expected"
        )
    if find_label_column(rows) == "last":
        return Dialect(delimiter, False, side, range(count - 1), count - 1, columns, ignored)
    return Dialect(delimiter, False, side, range(1, count), 0, columns, ignored)


def count_values(row: Sequence[str]) -> int:
    """The number of values in a row. A delimiter may end it."""
    return len(row) - 1 if row[-1] == "" else len(row)


def find_label_column(rows: Sequence[Sequence[str]]) -> str | None:
    """Whether the `first` or the `last` value of each row is its label. None if both are always 0."""
    last = count_values(rows[0]) - 1
    firsts = [_to_value(row[0]) for row in rows]
    lasts = [_to_value(row[last]) for row in rows if len(row) > last]
    return find_label_end(np.array(firsts), np.array(lasts))


def _to_value(cell: str) -> float:
    """The number in a cell. Not a number for other texts."""
    return float(cell.replace(",", ".")) if is_number(cell) else math.nan

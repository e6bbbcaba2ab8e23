"""A fast parser of lines of decimal numbers, such as 0.0039 and 3.9e-03: all cells are processed as one array."""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Values: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.float64]]

LEAD = b"\n"  # a separator before the first cell
TAIL = bytes(32)  # words behind the last cell are read, and ignored
WORD_DIGITS = 8
KEPT_DIGITS = 16  # of a fraction; float64 has 15 to 17 digits
MAX_INTEGER_DIGITS = 3
MAX_EXPONENT = 99
SCALES = np.array([float(f"1e{power}") for power in range(-MAX_EXPONENT, MAX_EXPONENT + KEPT_DIGITS + 1)])
"""10^(16 - exponent) for exponents from 99 down to -99."""
LOWER_CASE = np.uint8(0x20)


@dataclass(frozen=True)
class Cells:
    """The positions of the parts of each cell in the text: the integer, the dot and the fraction, the exponent."""

    starts: Array
    dots: Array
    """the end of the integer, where there is no dot"""
    exponents: Array
    """the `e`, or the end of the cell"""
    ends: Array


def parse_plain_decimals(text: bytes, rows: int, columns: int) -> Values | None:
    """Values float64 [rows, columns] of a text in which commas separate cells and LF ends each line. None if rows have
    other numbers of cells, or a cell is not a finite number."""
    content = LEAD + text + TAIL
    characters = np.frombuffer(content, np.uint8)
    cells = _find_equal_cells(content, rows, columns) or _find_cells(characters, rows, columns)
    if cells is None:
        return None
    values, is_usual = _parse(characters, cells)
    for index in np.flatnonzero(~is_usual):
        number = to_number(content[cells.starts[index] : cells.ends[index]].decode("latin-1"))
        if number is None:
            return None
        values[index] = number
    return values.reshape(rows, columns)


def to_number(cell: str) -> float | None:
    """A finite number in any notation of Python without underscores and line ends. None for other texts."""
    if not cell.isascii() or not {"_", "\r", "\n"}.isdisjoint(cell):
        return None
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _find_equal_cells(content: bytes, rows: int, columns: int) -> Cells | None:
    """The parts of all cells if each has the form of the first, as np.savetxt writes them. None for other texts."""
    start = len(LEAD)
    width = content.find(b",") + 1 - start
    end = start + rows * columns * width
    if width < 1 or len(content) != end + len(TAIL):
        return None
    table = np.frombuffer(content, np.uint8)[start:end].reshape(-1, width)
    dot = content.find(b".", start, start + width) - start
    exponent = content.find(b"e", start, start + width) - start
    if not 0 < dot < exponent:
        return None
    is_equal = (table[:, dot] == ord(".")).all() and (table[:, exponent] == ord("e")).all()
    if not is_equal or not _are_rows(table[:, -1], rows, columns):
        return None
    starts = np.arange(start, end, width)
    return Cells(starts, starts + dot, starts + exponent, starts + width - 1)


def _are_rows(separators: Array, rows: int, columns: int) -> bool:
    """Whether LF ends each row, and commas separate its cells."""
    is_line_end = (separators == ord("\n")).reshape(rows, columns)
    is_comma = separators == ord(",")
    return bool(is_line_end[:, -1].all()) and np.count_nonzero(is_comma) == rows * (columns - 1)


def _find_cells(characters: Array, rows: int, columns: int) -> Cells | None:
    """The parts of all cells, row by row."""
    # One line of text, and the characters that delimit the parts of its cells:
    #
    #   characters  \n 0 . 2 5 , 7 , 3 . 1 e - 0 2 \n
    #   marks       \n   .     ,   ,   .   e       \n
    is_separator = (characters == ord(",")) | (characters == ord("\n"))
    is_exponent = (characters | LOWER_CASE) == ord("e")
    marks = np.flatnonzero(is_separator | is_exponent | (characters == ord(".")))
    kinds = characters[marks]
    separators = np.flatnonzero((kinds == ord(",")) | (kinds == ord("\n")))
    if len(separators) != 1 + rows * columns:
        return None
    positions = marks[separators]
    starts, ends = positions[:-1] + 1, positions[1:]
    if not _are_rows(kinds[separators[1:]], rows, columns):
        return None

    exponents = ends
    last = separators[1:] - 1  # the last mark in the cell, or the separator before it
    if is_exponent.any():
        has_exponent = (kinds[last] | LOWER_CASE) == ord("e")
        exponents = np.where(has_exponent, marks[last], ends)
        last -= has_exponent
    dots = np.where(kinds[last] == ord("."), marks[last], exponents)
    return Cells(starts, dots, exponents, ends)


def _parse(characters: Array, cells: Cells) -> tuple[Array, Array]:
    """The values of the cells, and whether each is of the usual form: a minus, one to three digits, a dot and more
    digits, an exponent with a sign and two digits. The values of others are arbitrary."""
    is_negative = characters[cells.starts] == ord("-")
    integer_digits = cells.dots - cells.starts - is_negative
    is_usual = (integer_digits >= 1) & (integer_digits <= MAX_INTEGER_DIGITS)
    mantissas = _parse_integers(characters, cells.dots, integer_digits)
    mantissas = _append_fractions(mantissas, characters, cells)
    values = mantissas.astype(np.float64)
    other_characters = is_negative + (cells.dots != cells.exponents).view(np.uint8)
    # One division by an exact power of ten: 2.55e2 is 255, not 2.55 times 100.
    if cells.exponents is cells.ends:
        values /= 10.0**KEPT_DIGITS
    else:
        exponents, is_exponent = _parse_exponents(characters, cells)
        is_usual &= is_exponent | (cells.exponents == cells.ends)
        values /= SCALES[MAX_EXPONENT + KEPT_DIGITS - exponents]
        other_characters += np.uint8(2) * is_exponent  # the `e` and its sign
    if is_negative.any():
        values[is_negative] *= -1
    _require_digits(characters, cells, other_characters, is_usual)
    return values, is_usual


def _require_digits(characters: Array, cells: Cells, other_characters: Array, is_usual: Array) -> None:
    """Marks cells as unusual that have other characters than digits, beside the known ones. No cell can have fewer."""
    is_digit = characters - np.uint8(ord("0")) < 10
    others = cells.ends[-1] - len(LEAD) - np.count_nonzero(is_digit)
    separators = len(cells.ends) - 1
    if others == separators + other_characters.sum(dtype=np.int64):
        return
    digits = np.add.reduceat(is_digit, cells.starts, dtype=np.int64)
    is_usual &= cells.ends - cells.starts - digits == other_characters


def _parse_integers(characters: Array, ends: Array, counts: Array) -> Array:
    """The integers uint64 of one to three digits that end before `ends`."""
    integers: Array = (characters[ends - 1] - np.uint8(ord("0"))).astype(np.uint64)
    for place in range(1, MAX_INTEGER_DIGITS):
        longer = np.flatnonzero(counts > place)
        digits = characters[ends[longer] - 1 - place] - np.uint8(ord("0"))
        integers[longer] += digits * np.uint64(10**place)
    return integers


def _append_fractions(integers: Array, characters: Array, cells: Cells) -> Array:
    """The integers with the first 16 digits of the fractions behind them."""
    words = np.ndarray(len(characters) - WORD_DIGITS + 1, "<u8", characters, strides=(1,))
    starts = cells.dots + 1
    counts = np.maximum(cells.exponents - starts, 0)
    mantissas: Array = integers * np.uint64(10**WORD_DIGITS) + _read_digits(words[starts], counts)
    mantissas *= np.uint64(10**WORD_DIGITS)
    longer = np.flatnonzero(counts > WORD_DIGITS)
    if len(longer) == len(counts):
        mantissas += _read_digits(words[starts + WORD_DIGITS], counts - WORD_DIGITS)
    elif len(longer) > 0:
        mantissas[longer] += _read_digits(words[starts[longer] + WORD_DIGITS], counts[longer] - WORD_DIGITS)
    return mantissas


def _read_digits(words: Array, counts: Array) -> Array:
    """The numbers uint64 of the first digits, at most eight, in the bytes of each word. Zeros follow them."""
    bits = counts.view(np.uint64) * np.uint64(8)
    mask = (np.uint64(1) << bits) - np.uint64(1)  # 64 bits and more: all
    digits = (words ^ np.uint64(0x3030303030303030)) & mask
    pairs = (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    fours = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    eights: Array = (fours * np.uint64(10_000) + (fours >> np.uint64(32))) & np.uint64(0x00000000FFFFFFFF)
    return eights


def _parse_exponents(characters: Array, cells: Cells) -> tuple[Array, Array]:
    """The exponents, 0 where there is none, and where there is one with a sign and two digits."""
    signs = characters[cells.exponents + 1]
    tens = characters[cells.exponents + 2] - np.uint8(ord("0"))
    units = characters[cells.exponents + 3] - np.uint8(ord("0"))
    is_exponent = (cells.ends - cells.exponents == 4) & (tens < 10) & (units < 10)
    is_exponent &= (signs == ord("+")) | (signs == ord("-"))
    exponents = ((np.uint8(10) * tens + units) * is_exponent).astype(np.int64)
    return np.where(signs == ord("-"), -exponents, exponents), is_exponent

"""Decimal numbers are read as Python reads them."""

from random import Random

import numpy as np
import pytest

from digits.data.formats.plain_decimals import parse_plain_decimals

NOTATIONS = ["{!r}", "{:.18e}", "{:.4f}", "{:.0f}", "{:g}", "{:.1E}", "{:+.3f}", " {:.2f}", "{:.25f}"]
INVALID = ["", "-", "e", ".", "ink", "nan", "inf", "1e400", "1_0", "0x1", "1.2.3", "1e.5", "1.5e+0x", "0.1-", "1-2",
           "0.1234567a", "0.12345678a", "0.00392156862745098a", "\u0661", "7\r", "True"]  # fmt: skip


def make_rows(random: Random, notations: list[str]) -> list[list[str]]:
    rows = []
    for _ in range(20):
        numbers = [random.choice([0, 1, random.random(), random.uniform(-3, 255)]) for _ in range(30)]
        rows.append([random.choice(notations).format(float(number)) for number in numbers])
    return rows


def join(rows: list[list[str]]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("notation", [*NOTATIONS, "mixed"])
def test_numbers_are_read_as_python_reads_them(notation: str) -> None:
    rows = make_rows(Random(0), NOTATIONS if notation == "mixed" else [notation])
    expected = [[float(cell) for cell in row] for row in rows]
    values = parse_plain_decimals(join(rows), 20, 30)
    assert values is not None
    assert values == pytest.approx(np.array(expected), rel=1e-15, abs=1e-15)


def test_whole_numbers_are_exact() -> None:
    """Also 255 as 2.55e+02: 2.55 times 100 is below it."""
    for notation in ("{}", "{}.0", "{:.18e}", "{:.2e}", "{:.3f}", "{}e0"):
        text = ",".join(notation.format(number) for number in range(256)) + "\n"
        values = parse_plain_decimals(text.encode(), 1, 256)
        assert values is not None
        assert values[0].tolist() == list(range(256))


@pytest.mark.parametrize("cell", INVALID)
@pytest.mark.parametrize("notation", ["{:.18e}", "{!r}"])
def test_other_cells_are_refused(cell: str, notation: str) -> None:
    for row, column in ((0, 0), (7, 11), (19, 29)):
        rows = make_rows(Random(0), [notation])
        rows[row][column] = cell
        assert parse_plain_decimals(join(rows), 20, 30) is None


def test_line_end_inside_of_a_cell_is_refused() -> None:
    """Python's `float` ignores it, and cells of equal widths hide it."""
    assert parse_plain_decimals(b"1.25e+00,\n.25e+00,1.25e+00\n", 1, 3) is None


def test_rows_of_other_lengths_are_refused() -> None:
    """Also if the number of all cells is right."""
    for text in (b"1,2\n3\n", b"1,2,3\n4\n", b"1,2\n3,4\n5,6\n", b"1\n2,3,4\n", b""):
        assert parse_plain_decimals(text, 2, 2) is None

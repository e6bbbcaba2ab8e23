"""The columns of a text are recognized by their names, or by their number."""

import pytest

from digits.data.formats.csv_dialect import (
    dialect_of_header,
    dialect_without_header,
    find_delimiter,
    is_header,
    split_row,
)
from digits.errors import InputError


def names(first: int, prefix: str, count: int = 784) -> list[str]:
    return [f"{prefix}{number}" for number in range(first, first + count)]


@pytest.mark.parametrize("pixels", [
    names(0, "pixel"), names(1, "pixel"), names(0, ""), names(1, ""), names(0, "f"), names(0, "pixel_"),
    [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)],
    [f"{row}x{column}" for row in range(28) for column in range(28)],
], ids=lambda pixels: f"{pixels[0]}…{pixels[-1]}")  # fmt: skip
@pytest.mark.parametrize("label", ["label", "Label", "class"])
def test_pixels_are_in_the_order_of_their_names(pixels: list[str], label: str) -> None:
    first = dialect_of_header([label, *pixels], ",", "a.csv")
    assert (first.label, list(first.pixels), first.side) == (0, list(range(1, 785)), 28)
    reverse = dialect_of_header([*reversed(pixels), label], ",", "a.csv")
    assert (reverse.label, list(reverse.pixels)) == (784, list(range(783, -1, -1)))
    without_label = dialect_of_header(pixels, ",", "a.csv")
    assert without_label.label is None


def test_other_columns_are_ignored_by_name() -> None:
    dialect = dialect_of_header(["", "ImageId", "label", *names(0, "pixel")], ",", "a.csv")
    assert dialect.ignored == ["", "ImageId"]
    assert dialect.pixels[0] == 3


def test_images_of_8_by_8_are_recognized() -> None:
    assert dialect_of_header([*names(0, "", 64), "label"], ",", "a.csv").side == 8


@pytest.mark.parametrize("header", [names(0, "pixel", 700), ["label", *names(5, "pixel")], ["a", "b"]])
def test_names_of_other_columns_are_refused(header: list[str]) -> None:
    with pytest.raises(
        InputError, match=r"^a\.csv, row 1: .*(columns of pixels; 784 are expected|'pixel700' is missing)"
    ):
        dialect_of_header(header, ",", "a.csv, row 1")


def test_two_columns_of_labels_are_refused() -> None:
    with pytest.raises(InputError, match="'label' and 'class' could both be the labels"):
        dialect_of_header(["label", "class", *names(0, "pixel")], ",", "a.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
def test_delimiter_is_found(delimiter: str) -> None:
    line = delimiter.join(["0"] * 784)
    assert find_delimiter(line) == delimiter
    assert len(split_row(line + "\r\n", delimiter)) == 784


def test_few_values_have_no_delimiter() -> None:
    assert find_delimiter("ImageId,Label") is None


@pytest.mark.parametrize("digits", ["0123456789", "5555"])
def test_label_of_rows_without_names_is_first_or_last(digits: str) -> None:
    pixels = ["0"] * 300 + ["255"] * 100 + ["0"] * 384
    first = dialect_without_header([[digit, *pixels] for digit in digits], ",", "a.csv")
    assert (first.label, first.pixels[0]) == (0, 1)
    if len(set(digits)) > 1:
        last = dialect_without_header([[*pixels, digit] for digit in digits], ",", "a.csv")
        assert (last.label, last.pixels[0]) == (784, 0)


def test_label_is_not_a_column_of_pixels() -> None:
    rows = [["200", *["0"] * 783, "7"]]
    assert dialect_without_header(rows, ",", "a.csv").label == 784


def test_rows_of_784_values_have_no_labels() -> None:
    assert dialect_without_header([["0"] * 784], ",", "a.csv").label is None


def test_other_numbers_of_values_are_refused() -> None:
    with pytest.raises(InputError, match="700 values in a row and no names"):
        dialect_without_header([["0"] * 700], ",", "a.csv")


def test_decimal_commas_are_no_delimiters() -> None:
    assert find_delimiter(";".join(["0,5"] * 785)) == ";"


@pytest.mark.parametrize("first", ["nan", "inf", "-inf", "1e400"])
def test_row_that_begins_with_no_finite_number_is_no_header(first: str) -> None:
    assert not is_header([first, *["0"] * 784])


def test_names_of_scikit_learn_are_recognized() -> None:
    pixels = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    dialect = dialect_of_header([*pixels, "target"], ",", "a.csv")
    assert (dialect.side, list(dialect.pixels), dialect.label) == (8, list(range(64)), 64)


def test_images_of_8_by_8_may_have_kaggles_names() -> None:
    assert dialect_of_header(["label", *names(0, "pixel", 64)], ",", "a.csv").side == 8


def test_column_of_labels_without_a_name_is_named() -> None:
    with pytest.raises(InputError, match="785 columns of pixels; .*; name the column of the labels 'label'"):
        dialect_of_header(names(0, "", 785), ",", "a.csv")


def test_delimiter_at_the_end_of_each_row_is_no_value() -> None:
    row = ["3", *["0"] * 784, ""]
    assert not is_header(row)
    dialect = dialect_without_header([row], ",", "a.csv")
    assert (dialect.label, list(dialect.pixels), dialect.column_count) == (0, list(range(1, 785)), 786)

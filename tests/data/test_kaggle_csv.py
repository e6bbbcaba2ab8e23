"""Kaggle's CSV format: columns are found by name, and every invalid cell is located."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import frame

from digits.data import kaggle_csv
from digits.data.kaggle_csv import Rows, parse_rows, read_chunks, read_csv
from digits.data.plain_integers import parse_plain_integers
from digits.errors import InputError
from digits.files import open_binary

IMAGES = (torch.arange(300 * 784) * 7 % 256).to(torch.uint8).reshape(300, 28, 28)  # all values from 0 to 255
LABELS = torch.arange(300) % 10
TABLE = frame(IMAGES, LABELS)
TEXT = TABLE.to_csv(index=False, lineterminator="\n").encode()
HEADER, *ROWS = TEXT.splitlines(keepends=True)


def assert_all_digits(images: torch.Tensor, labels: torch.Tensor | None) -> None:
    assert labels is not None
    assert images.dtype == torch.uint8
    assert torch.equal(images, IMAGES)
    assert torch.equal(labels, LABELS)


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
    plain = parse_plain_integers(content.splitlines(keepends=True)[1:], 785)
    assert (plain is not None) == (notation in PLAIN)


@pytest.mark.parametrize("rows", [1, 128, 299, 300, 301])
def test_chunks_are_consecutive(tmp_path: Path, rows: int) -> None:
    (tmp_path / "train.csv").write_bytes(TEXT)
    with open_binary(tmp_path / "train.csv") as file:
        images, labels = zip(*read_chunks(file, "train.csv", rows), strict=True)
    assert all(len(chunk) == rows for chunk in images[:-1])
    assert_all_digits(torch.cat(images), torch.cat(labels))


def test_error_in_a_later_chunk_has_its_row(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"".join([HEADER, *ROWS[:9], b"-" + ROWS[9]]))
    with open_binary(tmp_path / "train.csv") as file:
        chunks = read_chunks(file, "train.csv", 4)
        assert [len(next(chunks)[0]), len(next(chunks)[0])] == [4, 4]
        with pytest.raises(InputError, match="row 11, column 'label'"):
            next(chunks)


CELLS = ["256", "300", "999", "1000", "1" + 30 * "0", "-1", "1.5", "1;2", "2\t3", "+", "ink", "nan", "inf", "True", ""]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("column", "row"), [("pixel5", 0), ("pixel5", 299), ("label", 0)])
def test_invalid_cell_is_located(cell: str, column: str, row: int) -> None:
    cells = ROWS[row].decode().split(",")
    cells[list(TABLE).index(column)] = cell
    lines = [*ROWS[:row], ",".join(cells).encode(), *ROWS[row + 1 :]]
    shown = re.escape(repr(cell)) if cell else "nothing"
    with pytest.raises(InputError, match=f"^digits.csv, row {row + 2}, column {column!r}: .* not {shown}$"):
        parse_rows(Rows("digits.csv", list(TABLE), lines, first=2))


A, B, C = ROWS[:3]  # rows 2, 3 and 4 of the file
FAULTS = {
    "missing": (None, "no such file"),
    "binary": (bytes(range(256)) * 10, "not a text file"),
    "gzip cut": (gzip.compress(TEXT)[:-5000], "cannot be read"),
    "empty": (b"", "empty"),
    "header only": (HEADER, "no images"),
    "CR alone": (TEXT.replace(b"\n", b"\r"), "CR"),
    "no header": (A + B, "row 1: no header"),
    "column missing": (HEADER.replace(b",pixel42,", b",") + A, "row 1: .*'pixel42' is missing"),
    "column repeated": (HEADER.replace(b"pixel43", b"pixel42") + A, "row 1: .*'pixel42' .* 2 times"),
    "column unknown": (HEADER.replace(b"pixel43", b"pixel784") + A, "row 1, column 45: .*'pixel784'"),
    "row short": (HEADER + A + B + C.rpartition(b",")[0], "row 4: 784 values.* 785 columns"),
    "row long": (HEADER + A + B + C.replace(b"\n", b",0\n"), "row 4: 786 values.* 785 columns"),
    "every row long": (HEADER + (A + B + C).replace(b"\n", b",0\n"), "row 2: 786 values"),
    "value in another row": (HEADER + A.replace(b"\n", b",5\n") + B.partition(b",")[2] + C, "row 2: 786 values"),
    "label above 9": (HEADER + A + b"1" + B, "row 3, column 'label': .* 9 .*'11'"),
    "quotation mark": (HEADER + A + B + b'"' + C, "row 4: a misplaced quotation mark"),
    "quotation marks in two rows": (HEADER + A + b'"' + B + C + b'"' + A, "row 3: a misplaced quotation mark"),
    "digit after a quoted cell": (HEADER + A + b'"0"1' + B[1:], "row 3: a misplaced quotation mark"),
    "long name": (HEADER.replace(b"pixel43", 1000 * b"x") + A, "column 45: unknown column 'x{40}…'"),
    "long cell": (HEADER + A + 9000 * b"y" + B, "row 3, column 'label': .* not 'y{40}…'"),
    "CR alone, large": (2 * TEXT.replace(b"\n", b"\r"), "CR alone"),
    "CR alone below the header": (HEADER + 20 * A.replace(b"\n", b"\r"), "row 2: longer than any row.* CR"),
    "CR in a cell": (HEADER + A + B.replace(b",", b"\r,", 1), r"row 3: a misplaced line end \(CR\)"),
    "booleans": (frame(IMAGES > 127, None).to_csv(index=False).encode(), "row 2, column 'pixel0': .*'False'"),
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
    monkeypatch.setattr(kaggle_csv, "CHUNK_ROWS", 1)
    monkeypatch.setattr(kaggle_csv, limit, accepted)
    read_csv(tmp_path / "train.csv")
    monkeypatch.setattr(kaggle_csv, limit, refused)
    with pytest.raises(InputError, match=message):
        read_csv(tmp_path / "train.csv")


def test_bytes_of_a_chunk_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.csv").write_bytes(TEXT)
    monkeypatch.setattr(kaggle_csv, "ROWS_PER_BLOCK", 10)
    monkeypatch.setattr(kaggle_csv, "MAX_CHUNK_BYTES", 1000)
    with open_binary(tmp_path / "train.csv") as file:
        sizes = [len(images) for images, _ in read_chunks(file, "train.csv", 100)]
    assert sizes == 30 * [10]

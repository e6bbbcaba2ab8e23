"""Kaggle's format is read by column name, and every fault is named where it stands."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers import frame, made_digits

from digits.data.kaggle_csv import iter_chunks, read_csv
from digits.data.sources import csv
from digits.errors import InputError
from digits.files import open_binary


@pytest.fixture
def table() -> pd.DataFrame:
    return frame(*made_digits(12))


def test_reads_images_and_labels(tmp_path: Path, table: pd.DataFrame) -> None:
    images, labels = made_digits(12)
    table.to_csv(tmp_path / "train.csv", index=False)
    read_images, read_labels = read_csv(tmp_path / "train.csv")
    assert read_images.dtype == torch.uint8
    assert torch.equal(read_images, images)
    assert read_labels is not None
    assert torch.equal(read_labels, labels)


def test_columns_are_found_by_name(tmp_path: Path, table: pd.DataFrame) -> None:
    table.sample(frac=1, axis=1, random_state=0).to_csv(tmp_path / "shuffled.csv", index=False)
    read_images, read_labels = read_csv(tmp_path / "shuffled.csv")
    images, labels = made_digits(12)
    assert torch.equal(read_images, images)
    assert read_labels is not None
    assert torch.equal(read_labels, labels)


@pytest.mark.parametrize("write", ["gzip", "crlf", "bom", "quoted", "blank lines", "floats"])
def test_dialects(tmp_path: Path, table: pd.DataFrame, write: str) -> None:
    text = table.to_csv(index=False)
    if write == "crlf":
        text = text.replace("\n", "\r\n")
    elif write == "bom":
        text = "\ufeff" + text
    elif write == "quoted":
        text = table.to_csv(index=False, quoting=1)
    elif write == "blank lines":
        text = text.replace("\n", "\n\n", 5)
    elif write == "floats":
        text = table.astype(float).to_csv(index=False)
    path = tmp_path / ("train.csv.gz" if write == "gzip" else "train.csv")
    path.write_bytes(gzip.compress(text.encode()) if write == "gzip" else text.encode())
    assert torch.equal(read_csv(path)[0], made_digits(12)[0])


def test_labels_are_optional_to_read_but_not_to_train(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "test.csv"
    table.drop(columns="label").to_csv(path, index=False)
    assert read_csv(path)[1] is None
    with pytest.raises(InputError, match=r"test\.csv, row 1: no column 'label'"):
        csv(str(path))


def cell(row: int, column: str, value: object) -> Callable[[pd.DataFrame], str]:
    def change(table: pd.DataFrame) -> str:
        table = table.astype(object)
        table.loc[row, column] = value
        return table.to_csv(index=False)

    return change


def line(number: int, edit: Callable[[str], str]) -> Callable[[pd.DataFrame], str]:
    def change(table: pd.DataFrame) -> str:
        lines = table.to_csv(index=False).splitlines()
        lines[number - 1] = edit(lines[number - 1])
        return "\n".join(lines) + "\n"

    return change


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], str], str]] = {
    "empty": (lambda table: "", "empty"),
    "header only": (lambda table: table[:0].to_csv(index=False), "a header, but no images"),
    "no header": (lambda table: table.to_csv(index=False, header=False), "row 1: no header"),
    "pixel missing": (
        lambda table: table.drop(columns="pixel42").to_csv(index=False),
        "row 1: column 'pixel42' is missing",
    ),
    "pixel doubled": (
        line(1, lambda text: text.replace("pixel43", "pixel42")),
        "row 1: column 'pixel42' stands there 2 times",
    ),
    "pixel unknown": (
        line(1, lambda text: text.replace("pixel43", "pixel784")),
        "row 1, column 45: unknown column 'pixel784'",
    ),
    "row short": (
        line(4, lambda text: text.rpartition(",")[0]),
        "row 4: 784 values, but the header names 785 columns",
    ),
    "row long": (line(4, lambda text: text + ",0"), "row 4: 786 values, but the header names 785 columns"),
    "lone quotation mark": (
        lambda table: line(4, lambda text: text.replace(",", ',"', 1))(table) + "0,0" * 100_000,
        "row [0-9]+: field larger than field limit",
    ),
    "every row long": (
        lambda table: table.to_csv(index=False).replace("\n", ",0\n").replace(",0\n", "\n", 1),
        "row 2: 786 values, but the header names 785 columns",
    ),
    "fraction": (
        cell(3, "pixel5", 1.5),
        "row 5, column 'pixel5': a whole number from 0 to 255 is expected, not '1.5'",
    ),
    "word": (cell(3, "pixel5", "ink"), "row 5, column 'pixel5': .* not 'ink'"),
    "nothing": (cell(3, "pixel5", None), "row 5, column 'pixel5': .* not nothing"),
    "nan": (cell(3, "pixel5", "nan"), "row 5, column 'pixel5': .* not 'nan'"),
    "infinite": (cell(3, "pixel5", "inf"), "row 5, column 'pixel5': .* not 'inf'"),
    "below 0": (cell(3, "pixel5", -1), "row 5, column 'pixel5': .* not '-1'"),
    "above 255": (cell(3, "pixel5", 256), "row 5, column 'pixel5': .* not '256'"),
    "far above": (cell(3, "pixel5", 10**30), "row 5, column 'pixel5': .* not '1000"),
    "label above 9": (
        cell(0, "label", 10),
        "row 2, column 'label': a whole number from 0 to 9 is expected, not '10'",
    ),
    "label missing": (cell(0, "label", None), "row 2, column 'label': .* not nothing"),
    "after a blank line": (
        lambda table: cell(3, "pixel5", -1)(table).replace("\n", "\n\n", 1),
        "row 6, column 'pixel5'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_with_row_and_column(tmp_path: Path, table: pd.DataFrame, fault: str) -> None:
    change, message = FAULTS[fault]
    path = tmp_path / "train.csv"
    path.write_text(change(table))
    with pytest.raises(InputError, match=f"train.csv.*{message}") as raised:
        read_csv(path)
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path, table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        read_csv(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_csv(tmp_path)
    (tmp_path / "picture.csv").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(InputError, match=r"picture\.csv: not a text file"):
        read_csv(tmp_path / "picture.csv")
    whole = gzip.compress(table.to_csv(index=False).encode())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.csv\.gz: cannot be read"):
        read_csv(tmp_path / "cut.csv.gz")


def test_gzip_is_known_by_its_content(tmp_path: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False).encode()
    (tmp_path / "packed.csv").write_bytes(gzip.compress(text))
    (tmp_path / "plain.csv.gz").write_bytes(text)
    for name in ("packed.csv", "plain.csv.gz"):
        assert torch.equal(read_csv(tmp_path / name)[0], made_digits(12)[0])


@pytest.mark.parametrize("rows", [1, 5, 11, 12, 13])
def test_chunks_are_the_whole(tmp_path: Path, table: pd.DataFrame, rows: int) -> None:
    table.to_csv(tmp_path / "train.csv", index=False)
    with open_binary(tmp_path / "train.csv") as file:
        chunks = [read() for read in iter_chunks(file, "train.csv", rows)]
    assert all(len(images) == rows for images, _ in chunks[:-1])
    images, labels = made_digits(12)
    assert torch.equal(torch.cat([chunk[0] for chunk in chunks]), images)
    assert torch.equal(torch.cat([chunk[1] for chunk in chunks if chunk[1] is not None]), labels)


def test_fault_in_a_later_chunk_has_its_row(tmp_path: Path, table: pd.DataFrame) -> None:
    (tmp_path / "train.csv").write_text(cell(9, "pixel5", -1)(table))
    with open_binary(tmp_path / "train.csv") as file:
        first, second, third = iter_chunks(file, "train.csv", 4)
        first(), second()
        with pytest.raises(InputError, match="row 11, column 'pixel5'"):
            third()

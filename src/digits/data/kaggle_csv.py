"""Kaggle's CSV format: a header that names the pixels, then one image a row. Read in chunks, of any size."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeAlias

import torch
from torch import Tensor

from digits.data.csv_values import read_values
from digits.errors import InputError
from digits.files import open_binary, translate_read_errors

PIXELS = [f"pixel{k}" for k in range(784)]
MAX_HEADER_BYTES = 1 << 20  # bytes; what has no line end before is no CSV of digits
ROWS = 8192

Columns: TypeAlias = list[str]


def read_csv(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """Images uint8 [N, 28, 28] and labels int64 [N], None if the file has no column `label`. `pixelK` is row
    K // 28, column K % 28, wherever the column stands. Plain or gzipped.

    Raises InputError that names the file, the row (as a text editor counts lines) and the column.
    """
    with open_binary(path) as file:
        images, labels = zip(*(read() for read in iter_chunks(file, str(path), ROWS)), strict=True)
    return torch.cat(images), None if labels[0] is None else torch.cat(labels)


def iter_chunks(file: BinaryIO, name: str, rows: int) -> Iterator[Callable[[], tuple[Tensor, Tensor | None]]]:
    """For every so many rows of an open file a function that parses them as `read_csv` does. `name` is the file's, for
    errors; whoever does not call a function does not pay for it.
    """
    with translate_read_errors(name):
        columns = _read_header(file, name)
        first, empty = 2, True
        while lines := list(islice(file, rows)):
            if filled := any(map(bytes.strip, lines)):
                yield partial(_parse, name, columns, lines, first)
            empty &= not filled
            first += len(lines)
    if empty:
        raise InputError(f"{name}: a header, but no images below it")


def _read_header(file: BinaryIO, name: str) -> Columns:
    line = file.readline(MAX_HEADER_BYTES)
    if len(line) == MAX_HEADER_BYTES or b"\0" in line:
        raise InputError(f"{name}: not a text file; a CSV of digits is expected")
    text = line.decode("utf-8-sig")
    if "\r" in text.rstrip("\r\n"):
        raise InputError(f"{name}: its lines end in CR alone; save it with line ends LF or CRLF")
    columns = next(csv.reader([text]), [])
    if not columns:
        raise InputError(f"{name}: empty; the header label,pixel0,…,pixel783 and a row for each image are expected")

    where = f"{name}, row 1"
    known = {"label", *PIXELS}
    if not known.intersection(columns):
        raise InputError(f"{where}: no header; the first row must name the columns label,pixel0,…,pixel783")
    if doubled := [column for column, count in Counter(columns).items() if count > 1]:
        raise InputError(f"{where}: column {doubled[0]!r} stands there {columns.count(doubled[0])} times; keep one")
    if unknown := [column for column in columns if column not in known]:
        raise InputError(
            f"{where}, column {columns.index(unknown[0]) + 1}: unknown column {unknown[0]!r}; "
            "only label and pixel0 … pixel783 are expected"
        )
    if missing := [column for column in PIXELS if column not in columns]:
        raise InputError(f"{where}: column {missing[0]!r} is missing ({len(missing)} of 784 pixel columns are)")
    return columns


def _parse(name: str, columns: Columns, lines: list[bytes], first: int) -> tuple[Tensor, Tensor | None]:
    """Rows, of which the first is that of this number in the file."""
    with translate_read_errors(name):
        values = read_values(name, columns, lines, first)
    position = {column: index for index, column in enumerate(columns)}
    places = [position[column] for column in PIXELS]
    in_order = places == list(range(places[0], places[0] + 784))  # a slice is five times as fast
    pixels = torch.from_numpy(values[:, places[0] : places[0] + 784] if in_order else values[:, places])
    labels = torch.from_numpy(values[:, position["label"]]).long() if "label" in position else None
    return pixels.reshape(-1, 28, 28), labels

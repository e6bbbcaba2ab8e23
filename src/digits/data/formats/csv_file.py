"""Digits as text: Kaggle's CSV and its relatives. Each row is one image. Large files are read in chunks."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

from digits.data.formats.arrays import FULL_RANGE, ValueRange
from digits.data.formats.csv_dialect import (
    Dialect,
    dialect_of_header,
    dialect_without_header,
    find_delimiter,
    find_label_column,
    is_header,
    split_row,
)
from digits.data.formats.csv_rows import MAX_ROW_BYTES, Rows, parse_rows, range_of_rows, read_rows
from digits.data.formats.digit_file import RANGE_IMAGES, FileChunk
from digits.data.formats.resize import resize_to_mnist
from digits.data.formats.text_stream import LineReader
from digits.errors import InputError, quoted
from digits.files import translate_read_errors

MAX_HEADER_BYTES = 1 << 20  # a first line of this length is not a header
MAX_CHUNK_BYTES = 1 << 26  # twice a usual chunk
MAX_BLANK_ROWS = 100_000
ROWS_PER_BLOCK = 256  # lines that are read before their sizes are looked at
PEEKED_ROWS = 100  # of a file without a header at a time, which show where the label is
NOT_TEXT = "not a text file, nor another format that is read; save the digits as a CSV, an .npy array or pictures (PNG)"


@dataclass(frozen=True)
class CsvFile:
    """An open text of digits: what was recognized, and its chunks, which are read once."""

    description: str
    chunks: Iterator[FileChunk]


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
            table = parse_rows(rows)
            value_range = range_of_rows(table, rows)
            if value_range == FULL_RANGE and table.pixels.max() > 100:
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
                if value_range is None:
                    value_range = range_of_rows(parse_rows(chunk), chunk)
                table = read_rows(chunk, value_range)
                images = resize_to_mnist(table.pixels.reshape(-1, dialect.side, dialect.side))
                yield FileChunk(images, table.labels, progress=None)
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
    line, row = _read_first_line(reader)
    where = f"{name}, row {row}"
    text = _decode_first_line(line, name, where)
    delimiter = find_delimiter(text)
    if delimiter is None:
        raise InputError(f"{where}: {_describe_few_columns(text)}")
    cells = split_row(text, delimiter)
    if is_header(cells):
        _require_unique(cells, where)
        return dialect_of_header(cells, delimiter, where), row + 1
    reader.push_back(line)
    return _read_dialect_without_header(reader, delimiter, where), row


def _read_first_line(reader: LineReader) -> tuple[bytes, int]:
    """The first line that is not skipped, and its number."""
    line = reader.readline(MAX_HEADER_BYTES)
    row = 1
    while _is_skipped(line) and row <= MAX_BLANK_ROWS:
        line = reader.readline(MAX_HEADER_BYTES)
        row += 1
    return line, row


def _is_skipped(line: bytes) -> bool:
    """Whether a line above the header is blank, a comment, or Excel's name of the delimiter."""
    is_blank = line != b"" and not line.strip()
    is_complete = len(line) < MAX_HEADER_BYTES
    return is_complete and (is_blank or line.startswith((b"#", b"sep=")))


def _decode_first_line(line: bytes, name: str, where: str) -> str:
    """The text of the first line. Raises InputError if the file is no text, empty, or has unusual line ends."""
    if b"\0" in line:
        raise InputError(f"{name}: {NOT_TEXT}")
    if b"\r" in line.rstrip(b"\r\n"):
        raise InputError(f"{name}: lines end in CR alone; save the file with line ends LF or CRLF")
    if len(line) == MAX_HEADER_BYTES:
        raise InputError(f"{where}: no header; it is longer than {MAX_HEADER_BYTES:,} bytes")
    text = line.decode()
    if not text.strip():
        raise InputError(f"{name}: empty; the header label,pixel0,…,pixel783 and one row per image are expected")
    return text


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
        texts = [line.decode() for line in block]
        rows += [split_row(text, delimiter) for text in texts if text.strip()]
        label_end = find_label_column(rows)
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

"""Damaged files of digits: CSV, IDX and .npy, plain and gzipped. Slow reference readers judge the result."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.faults import reference
from benchmarks.faults.mutations import damage_bytes
from benchmarks.faults.pickles import payload
from benchmarks.faults.workers import FaultError
from digits.data.sources import csv
from digits.prediction.inputs import open_input

Array = np.ndarray[Any, Any]
CELLS = [
    "", " ", "True", "false", "1.0", "12.", ".5e1", "1e2", "2.55e2", "255.0", "256", "-1", "-0", "+7", "0x10", "1_0",
    "٣", "7.5", "NaN", "nan", "inf", "1e400", "1e-400", "null", '"7"', '"7', '7"', '"7"1', ' "7"', '""', '"7\n"',
    "1;5", " 7", "7 ", "\t7", "0007", "2e", "é", "\0", "1\r2", "\x1b[2J", "0.99999999999999999999", "'7'", "#",
    "9" * 400, "0" * 1000, "x" * 1000,
]  # fmt: skip
NOTATIONS = [" {} ", '"{}"', "{}.0", "{}e0", "0{}", "+{}", "{}.", "'{}'", "bool"]
NAMES = ["", "Pixel1", "pixel784", "pixel 1", "pixel01", "label", "pixel0", "pixel783", "\x1b[2J", "x" * 9000]
LINE_ENDS = [*[["\n"]] * 8, ["\r\n"], ["\r"], ["\n", "\r\n"], ["\n", "\r"], ["\n\n"], ["\n", "\n \n"]]


def check_csv(random: Random, originals: Path) -> None:
    content = _damaged_csv(random, originals)
    if random.random() < 0.4:
        content = _damaged_gzip(random, content)
    path = Path(random.choice(["digits.csv", "digits.csv.gz", "digits"]))
    path.write_bytes(content)
    _compare(random, path, lambda: reference.read_csv(content), trains=random.random() < 0.3)


def check_idx(random: Random, originals: Path) -> None:
    images, labels = _digits(originals)
    contents: list[bytes] = []
    for magic, sides, values in ((b"\0\0\x08\x03", [28, 28], images), (b"\0\0\x08\x01", [], labels)):
        sizes = [len(values), *sides]
        if random.random() < 0.2:
            sizes[random.randrange(len(sizes))] = random.choice([0, 1, 19, 21, 28, 255, -1])
        content = magic + struct.pack(f">{len(sizes)}i", *sizes) + values.tobytes()
        content = damage_bytes(random, content) if random.random() < 0.4 else content
        contents.append(_damaged_gzip(random, content) if random.random() < 0.5 else content)
    Path("x-images-idx3-ubyte").write_bytes(contents[0])
    if random.random() < 0.6:
        Path("x-labels-idx1-ubyte").write_bytes(contents[1])
    else:
        del contents[1]
    _compare(random, Path("x-images-idx3-ubyte"), lambda: reference.read_idx(*contents))


def check_npy(random: Random, originals: Path) -> None:
    images, _ = _digits(originals)
    others = [images.astype(kind) for kind in ("f4", "?", "i1", ">u2", "S1")]
    others += [images.reshape(-1, 784), images[:0], images[0], images[:, None], np.array([payload(random)], object)]
    array = random.choice([images, images, np.asfortranarray(images), random.choice(others)])
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=random.choice([None, (2, 0), (3, 0)]))
    content = file.getvalue()
    if random.random() < 0.2:
        counts = [b"(21,", b"(19,", b"( 2,", b"(-1,", b"(2.,", b"[20,"]
        content = content.replace(b"(20,", random.choice(counts), 1)
    if random.random() < 0.5:
        end = random.choice([len(content), 200])
        content = damage_bytes(random, content[:end]) + content[end:]
    Path("digits.npy").write_bytes(content)
    _compare(random, Path("digits.npy"), lambda: reference.read_npy(content))


def check_packed(random: Random, originals: Path) -> None:
    """Archives of digits have checksums: a damaged one is refused, or its digits are those before the damage."""
    images, labels = _digits(originals)
    pack = random.choice([_pack_npz, _pack_zip, _pack_bz2, _pack_xz])
    content = damage_bytes(random, pack(images, labels))
    Path("digits").write_bytes(content)
    expected = images.flatten().tolist(), labels.tolist()
    _compare(random, Path("digits"), lambda: expected)


def _pack_npz(images: Array, labels: Array) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x_test=images, y_test=labels)
    return file.getvalue()


def _pack_zip(images: Array, labels: Array) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("digits.csv", _as_csv(images, labels))
    return file.getvalue()


def _pack_bz2(images: Array, labels: Array) -> bytes:
    return bz2.compress(_as_csv(images, labels))


def _pack_xz(images: Array, labels: Array) -> bytes:
    return lzma.compress(_as_csv(images, labels))


def _as_csv(images: Array, labels: Array) -> bytes:
    table = np.column_stack([labels, images.reshape(len(images), -1)])
    rows = [",".join(map(str, row)) for row in table.tolist()]
    header = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    return "\n".join([header, *rows]).encode()


def _compare(random: Random, path: Path, read_slowly: Callable[[], reference.Digits], trains: bool = False) -> None:
    """Reads as training or as prediction does, and compares with the reference."""
    if trains:
        images, labels = csv(str(path)).train
    else:
        chunks = list(open_input(str(path), random.choice([1, 7, 8192])).chunks)
        images, parts = np.concatenate([chunk.images for chunk in chunks]), [chunk.labels for chunk in chunks]
        labels = None if parts[0] is None else np.concatenate([part for part in parts if part is not None])
    try:
        expected = read_slowly()
    except reference.OtherFormatError:
        return
    except Exception as error:
        raise FaultError("wrong", f"accepted, but the reference reader raises {error!r}") from None
    if (images.flatten().tolist(), None if labels is None else labels.tolist()) != expected:
        raise FaultError("wrong", "other values than those of the reference reader")


@cache
def _digits(originals: Path) -> tuple[Array, Array]:
    table = np.loadtxt(originals / "digits.csv", dtype=np.uint8, delimiter=",", skiprows=1)
    return table[:, 1:].reshape(-1, 28, 28), table[:, 0]


@cache
def _rows(originals: Path) -> list[list[str]]:
    return [line.split(",") for line in (originals / "digits.csv").read_text().splitlines()]


def _damaged_csv(random: Random, originals: Path) -> bytes:
    rows = [list(row) for row in _rows(originals)[: random.choice([2, 5, 21])]]
    for _ in range(random.choice([0, 1, 1, 2])):
        _change_table(random, rows)
    separator = "," if random.random() < 0.95 else random.choice([";", "\t", ", ", " "])
    ends = random.choice(LINE_ENDS)
    text = "".join(separator.join(row) + random.choice(ends) for row in rows)
    if random.random() < 0.1:
        text = random.choice([text.rstrip(), "\ufeff" + text, text + "\n\n", "\n" + text, text + "\x1a", text + "#"])
    content = text.encode("utf-16" if random.random() < 0.01 else "utf-8")
    return damage_bytes(random, content) if random.random() < 0.4 else content


def _change_table(random: Random, rows: list[list[str]]) -> None:
    row = random.choice(rows)
    column, width = random.randrange(len(row) or 1), len(rows[0])
    match random.choice(["cell", "cell", "cell", "notation", "columns", "name", "row", "width", "label"]):
        case "cell":
            row[column : column + 1] = [random.choice(CELLS)]
        case "notation":  # of a column, or of everything
            form, columns = random.choice(NOTATIONS), random.choice([[0], [column], range(width)])
            for line in rows[1:]:
                for index in {*columns} & {*range(len(line))}:
                    line[index] = str(line[index] > "1") if form == "bool" else form.format(line[index])
        case "columns":
            order = random.sample(range(width), width)
            rows[:] = [[line[index] for index in order if index < len(line)] for line in rows]
        case "name":
            rows[0][column : column + 1] = [random.choice(NAMES)]
        case "row":
            place = rows.index(row)
            rows[place : place + 1] = random.choice([[rows[0]], [row, row], [[], row], [[""] * width], [rows[0], row]])
        case "width":
            row[column : column + 1] = random.choice([[], ["1", "2"], ["1"] * 800])
        case "label":
            rows[:] = [line[1:] for line in rows]


def _damaged_gzip(random: Random, content: bytes) -> bytes:
    packed = gzip.compress(content, compresslevel=1, mtime=0)
    match random.choice(["nothing", "bytes", "bytes", "tail", "checksum"]):
        case "bytes":
            return damage_bytes(random, packed)
        case "tail":  # two members, or other data
            second = gzip.compress(random.choice([content, b"", b"1,2\n"]), mtime=0)
            return packed + random.choice([second, b"\0", bytes(700), b"x", packed[:10], packed[: len(packed) // 2]])
        case "checksum":
            return packed[: -random.randint(1, 9)] + random.choice([b"", random.randbytes(4)])
    return packed

"""Each format is read as its own library wrote it, and damage is one line, on files that Hypothesis makes."""

import bz2
import csv
import gzip
import io
import lzma
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from data.formats.test_idx_file import idx
from scipy.io import savemat

from digits.data.formats.arrays import Array
from digits.data.formats.digit_file import FileChunk
from digits.data.formats.open_file import open_digit_file
from digits.errors import InputError

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MAX_PEAK_BYTES = 64 << 20
"""Of the allocations for a file of a few digits."""
some_examples = settings(
    max_examples=30,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Written:
    """A file, and the digits in it. Labels are None if the format has no place for them."""

    content: bytes
    images: Array
    labels: Array | None


def digits(count: int, seed: int) -> tuple[Array, Array]:
    """Images with black corners as MNIST's, and labels; the first one is not 0. White and gray occur in each image."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 28, 28)).astype(np.uint8)
    images[:, 0, 0] = images[:, -1, -1] = 0
    images[:, 9, 9] = 255
    labels = random.integers(0, 10, count)
    labels[0] = random.integers(1, 10)
    return images, labels


made_digits = st.builds(digits, st.integers(1, 4), st.integers(0, 1000))

NUMBER_TYPES = ("u1", ">u2", "<i2", ">i4", "i8", "u8", "f4", ">f8", "f2")
layouts = st.sampled_from([(-1, 28, 28), (-1, 784), (-1, 28, 28, 1), (-1, 1, 28, 28)])


@st.composite
def arrays(draw: st.DrawFn, images: Array) -> Array:
    """The images as an array of any type: from 0 to 255, or from 0 to 1 as floats."""
    array = images.reshape(draw(layouts))
    number_type = np.dtype(draw(st.sampled_from(NUMBER_TYPES)))
    if number_type.kind == "f" and draw(st.booleans()):
        return (array / 255).astype(number_type)
    return array.astype(number_type)


@st.composite
def npy_files(draw: st.DrawFn) -> Written:
    images, _ = draw(made_digits)
    array = draw(arrays(images))
    if draw(st.booleans()):
        array = np.asfortranarray(array)
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=draw(st.sampled_from([None, (2, 0), (3, 0)])))
    return Written(file.getvalue(), images, None)


@st.composite
def npz_files(draw: st.DrawFn) -> Written:
    images, labels = draw(made_digits)
    names = draw(
        st.sampled_from([("x_test", "y_test"), ("X", "y"), ("test_images", "test_labels"), ("data", "target")])
    )
    save = draw(st.sampled_from([np.savez, np.savez_compressed]))
    label_type = draw(st.sampled_from(["i8", "u1", "f4", "U1"]))
    file = io.BytesIO()
    save(file, **{names[0]: draw(arrays(images)), names[1]: labels.astype(label_type)})
    return Written(file.getvalue(), images, labels)


@st.composite
def mat_files(draw: st.DrawFn) -> Written:
    images, labels = draw(made_digits)
    version = draw(st.sampled_from(["4", "5"]))
    values = images.reshape(-1, 784) if version == "4" else images
    values = values.astype(draw(st.sampled_from(["u1", "f8"])))
    file = io.BytesIO()
    savemat(file, {"X": values, "y": labels}, format=version, do_compression=version == "5" and draw(st.booleans()))
    return Written(file.getvalue(), images, labels)


@st.composite
def idx_files(draw: st.DrawFn) -> Written:
    images, _ = draw(made_digits)
    kind = draw(st.sampled_from([8, 9, 11, 12, 13, 14]))
    if kind == 9:  # up to 127
        images = images // 2
    values = images.reshape(draw(layouts))
    is_fraction = kind in (13, 14) and draw(st.booleans())
    return Written(idx(values / 255 if is_fraction else values, kind), images, None)


def names_of_pixels(style: str) -> list[str]:
    if style == "1x1":
        return [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)]
    prefix, _, first = style.rpartition(" ")
    return [f"{prefix}{number}" for number in range(int(first), int(first) + 784)]


@st.composite
def csv_files(draw: st.DrawFn) -> Written:
    """Dialects of spreadsheets, pandas and people."""
    images, labels = draw(made_digits)
    delimiter = draw(st.sampled_from([",", ";", "\t", " "]))
    style = draw(st.sampled_from(["pixel 0", "pixel 1", "1x1", " 0", " 1", "f 0", None]))
    notation = draw(st.sampled_from(["{}", "{}.0", "fraction", "decimal comma"]))
    if delimiter == "," and notation == "decimal comma":
        notation = "fraction"
    cells = [[write_number(value, notation) for value in row] for row in images.reshape(-1, 784).tolist()]
    header = None if style is None else names_of_pixels(style)
    label_place = draw(st.sampled_from([None, 0, 784] if style is None else [None, 0, 784, 300]))
    if label_place is not None:
        for row, label in zip(cells, labels, strict=True):
            row.insert(label_place, str(label))
    if header is not None and label_place is not None:
        header.insert(label_place, draw(st.sampled_from(["label", "Label", "class", "y"])))
    if header is not None and draw(st.booleans()):
        header.insert(0, "id")
        for number, row in enumerate(cells):
            row.insert(0, f"img{number}")
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=draw(st.sampled_from(["\n", "\r\n"])))
    writer.writerows(cells if header is None else [header, *cells])
    above = draw(st.sampled_from(["", "# made by hand\n", "\n\n", f"sep={delimiter}\n"]))
    content = (above + text.getvalue()).encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    return Written(content, images, None if label_place is None else labels)


def write_number(value: int, notation: str) -> str:
    if notation == "fraction":
        return str(value / 255)
    if notation == "decimal comma":
        return str(value / 255).replace(".", ",")
    return notation.format(value)


def pack_zip(method: int) -> Callable[[bytes], bytes]:
    def pack(content: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("folder/digits", content)
        return file.getvalue()

    return pack


PACKERS = {
    "plain": bytes, "gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress,
    "zip stored": pack_zip(zipfile.ZIP_STORED), "zip deflated": pack_zip(zipfile.ZIP_DEFLATED),
    "zip bz2": pack_zip(zipfile.ZIP_BZIP2), "zip xz": pack_zip(zipfile.ZIP_LZMA),
}  # fmt: skip
packers = st.sampled_from(sorted(PACKERS))
FORMATS = {"npy": npy_files(), "npz": npz_files(), "mat": mat_files(), "idx": idx_files(), "csv": csv_files()}
each_format = pytest.mark.parametrize("form", FORMATS)


def read(path: Path, chunk_size: int) -> tuple[Array, Array | None]:
    return join(list(open_digit_file(path, "test", chunk_size).chunks))


def join(chunks: Sequence[FileChunk]) -> tuple[Array, Array | None]:
    labels = [chunk.labels for chunk in chunks if chunk.labels is not None]
    return np.concatenate([chunk.images for chunk in chunks]), np.concatenate(labels) if labels else None


@each_format
@some_examples
@given(data=st.data(), pack=packers, chunk_size=st.integers(1, 6))
def test_file_is_read_as_its_library_wrote_it(
    tmp_path: Path, form: str, data: st.DataObject, pack: str, chunk_size: int
) -> None:
    written = data.draw(FORMATS[form])
    (tmp_path / "digits").write_bytes(PACKERS[pack](written.content))
    images, labels = read(tmp_path / "digits", chunk_size)
    assert np.array_equal(images, written.images)
    assert (labels is None) == (written.labels is None)
    assert labels is None or np.array_equal(labels, written.labels)  # type: ignore[arg-type]


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with bytes flipped, inserted, or removed up to the end. Headers are damaged more often."""
    for _ in range(draw(st.integers(1, 3))):
        end = draw(st.sampled_from([200, len(content)]))
        start = draw(st.integers(0, min(end, len(content))))
        some_bytes = draw(st.binary(min_size=1, max_size=8))
        kind = draw(st.sampled_from(["replace", "insert", "remove", "truncate"]))
        if kind == "truncate":
            content = content[:start]
        elif kind == "insert":
            content = content[:start] + some_bytes + content[start:]
        elif kind == "remove":
            content = content[:start] + content[start + len(some_bytes) :]
        else:
            content = content[:start] + some_bytes + content[start + len(some_bytes) :]
    return content


@each_format
@some_examples
@given(data=st.data(), pack=packers, is_packed_first=st.booleans())
def test_damaged_file_is_read_or_refused_in_one_line(
    tmp_path: Path, form: str, data: st.DataObject, pack: str, is_packed_first: bool
) -> None:
    """Libraries print nothing, and allocate no more than for a right file."""
    content = data.draw(FORMATS[form]).content
    if is_packed_first:
        content = data.draw(damaged(PACKERS[pack](content)))
    else:
        content = PACKERS[pack](data.draw(damaged(content)))
    path = tmp_path / "digits"
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)  # Python's users do not see it
        message, peak = read_or_refuse(path)
    assert printed == []
    assert message.startswith(str(path)) or message == ""
    assert message.isprintable()
    assert len(message) <= 300
    if "xz" not in pack:  # the dictionary has the size that the header announces; only its used part takes memory
        assert peak < MAX_PEAK_BYTES


def read_or_refuse(path: Path) -> tuple[str, int]:
    """The message of a refusal, or an empty text, and the peak of the allocations in bytes."""
    message = ""
    tracemalloc.start()
    try:
        read(path, 3)
    except InputError as error:
        message = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return message, peak


@each_format
@some_examples
@given(data=st.data(), chunk_size=st.integers(1, 6), side=st.sampled_from([8, 16, 20, 28, 32]))
def test_chunks_are_the_parts_of_the_whole(
    tmp_path: Path, form: str, data: st.DataObject, chunk_size: int, side: int
) -> None:
    """Also with images of other sizes, which are scaled."""
    content = data.draw(FORMATS[form]).content
    if form == "npy" and side != 28:
        file = io.BytesIO()
        np.save(file, np.random.default_rng(side).integers(0, 256, (9, side, side)))
        content = file.getvalue()
    (tmp_path / "digits").write_bytes(content)
    [whole] = open_digit_file(tmp_path / "digits", "test", 1000).chunks
    chunks = list(open_digit_file(tmp_path / "digits", "test", chunk_size).chunks)
    sizes = [len(chunk.images) for chunk in chunks]
    assert sizes[:-1] == [chunk_size] * (len(chunks) - 1)
    assert 1 <= sizes[-1] <= chunk_size
    images, labels = join(chunks)
    assert np.array_equal(images, whole.images)
    assert (labels is None) == (whole.labels is None)
    assert labels is None or np.array_equal(labels, whole.labels)  # type: ignore[arg-type]

"""The readers against slow reference readers, on files that Hypothesis makes and shrinks."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults import reference
from digits.errors import InputError
from digits.prediction.inputs import open_input

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

HEADER = ["label", *(f"pixel{k}" for k in range(784))]
NOTATIONS = ("{}", "{}.0", "{}e0", " {} ", '"{}"', '"{}"0', "+{}", "00{}", "-{}", "{}.5", "\t{}", "{}\r", "{}\0")
cells = st.one_of(
    st.builds(str.format, st.sampled_from(NOTATIONS), st.integers(0, 300)),
    st.sampled_from(["True", "FALSE", "nan", "inf", "1e999", "0x1", "1_0", "", '"', "٣"]),
    st.text(max_size=5),
)
rows = st.dictionaries(st.integers(0, 784), cells, max_size=3)
few_examples = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check(path: Path, expected: Callable[[], reference.Digits]) -> None:
    """A file is refused in one line, or read as the reference reads it; the reference raises for a damaged one."""
    try:
        chunks = list(open_input(str(path), 2).chunks)
    except InputError as error:
        message = str(error)
    else:
        message = ""
        pixels, labels = expected()
        assert [value for chunk in chunks for value in chunk.images.flatten().tolist()] == pixels
        assert [chunk.labels is None for chunk in chunks] == [labels is None] * len(chunks)
        assert labels in (None, [label for chunk in chunks if chunk.labels is not None for label in chunk.labels])
    assert message.isprintable()
    assert len(message) <= 300


@few_examples
@given(changes=st.lists(rows, min_size=1, max_size=4), end=st.sampled_from(["\n", "\r\n", "\r"]), packed=st.booleans())
@example(changes=[dict.fromkeys(range(1, 785), "True")], end="\n", packed=False)
def test_csv(tmp_path: Path, changes: list[dict[int, str]], end: str, packed: bool) -> None:
    lines = [HEADER, *([change.get(column, "7") for column in range(785)] for change in changes)]
    content = end.join(map(",".join, lines)).encode(errors="surrogatepass")
    (tmp_path / "digits.csv").write_bytes(gzip.compress(content) if packed else content)
    check(tmp_path / "digits.csv", lambda: reference.read_csv(content))


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}i", *shape) + values


IMAGES, LABELS = idx((3, 28, 28), bytes(range(196)) * 12), idx((3,), bytes([1, 2, 9]))
edits = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from("rid")), max_size=3)


def edit(content: bytes, changes: list[tuple[int, int, str]]) -> bytes:
    """Replaces, inserts or deletes single bytes."""
    for position, value, kind in changes:
        start = position % (len(content) + 1)
        inserted = b"" if kind == "d" else bytes([value])
        content = content[:start] + inserted + content[start + (kind != "i") :]
    return content


@few_examples
@given(images=edits, labels=edits, packed=st.booleans(), tail=st.binary(max_size=3))
@example(images=[], labels=[], packed=True, tail=b"\1")
def test_idx(tmp_path: Path, images: Any, labels: Any, packed: bool, tail: bytes) -> None:
    pack: Callable[[bytes], bytes] = gzip.compress if packed else bytes
    contents = {"images-idx3-ubyte": edit(pack(IMAGES), images) + tail, "labels-idx1-ubyte": edit(pack(LABELS), labels)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    check(tmp_path / "images-idx3-ubyte", lambda: reference.read_idx(*contents.values()))

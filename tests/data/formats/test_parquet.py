"""Columns of lists and of pictures in Parquet files are read as PyArrow wrote them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import made_digits
from PIL import Image

from digits.data.formats.digit_file import InputFile
from digits.data.formats.parquet import open_parquet
from digits.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

IMAGES, LABELS = (part.numpy() for part in made_digits(30))


def write(path: Path, cells: Any) -> InputFile:
    parquet.write_table(pyarrow.table({"image": cells, "label": LABELS[: len(cells)]}), path, row_group_size=7)
    return InputFile(path, path.name)


def to_png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("cells", [
    lambda: pyarrow.array(list(IMAGES.reshape(30, 784))),
    lambda: pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(IMAGES.ravel()), 784),
    lambda: pyarrow.array(IMAGES.tolist()), lambda: pyarrow.array([to_png(image) for image in IMAGES]),
    lambda: pyarrow.array([{"bytes": to_png(image), "path": None} for image in IMAGES]),
], ids=["lists", "fixed lists", "nested lists", "pictures", "Hugging Face"])  # fmt: skip
def test_images_in_cells_are_read(tmp_path: Path, cells: Callable[[], Any]) -> None:
    chunks = list(open_parquet(write(tmp_path / "a.parquet", cells()), "test", 8).chunks)
    assert np.array_equal(np.concatenate([chunk.images for chunk in chunks]), IMAGES)
    assert np.concatenate([chunk.labels for chunk in chunks]).tolist() == LABELS.tolist()


def test_lists_are_read_without_python_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a.parquet", pyarrow.array(IMAGES.tolist()))
    monkeypatch.delattr("digits.data.formats.parquet._read_cell")
    assert len(list(open_parquet(file, "test", 30).chunks)) == 1


@pytest.mark.parametrize("cells", [
    [[1.0] * 784, [1.0] * 783], [[1.0] * 784, None], [[[1.0] * 28] * 28, [[1.0] * 28] * 27],
], ids=["short", "missing", "fewer rows"])  # fmt: skip
def test_lists_of_other_lengths_are_refused(tmp_path: Path, cells: list[Any]) -> None:
    with pytest.raises(InputError, match="a.parquet, column image: not images of one size"):
        open_parquet(write(tmp_path / "a.parquet", pyarrow.array(cells)), "test", 8)


def broken_png() -> bytes:
    """The name of the chunk behind the header is none."""
    content = bytearray(to_png(IMAGES[0]))
    content[content.index(b"IDAT")] = 0xE4
    return bytes(content)


@pytest.mark.parametrize("cells", [
    lambda: [{"path": "a.png"}] * 2, lambda: [broken_png()] * 2, lambda: [to_png(IMAGES[0]), None],
], ids=["no bytes", "damaged", "missing"])  # fmt: skip
def test_other_cells_are_refused(tmp_path: Path, cells: Callable[[], Any]) -> None:
    with pytest.raises(InputError, match="column image: not images of one size, or damaged"):
        open_parquet(write(tmp_path / "a.parquet", pyarrow.array(cells())), "test", 100)


def test_lists_as_labels_are_refused(tmp_path: Path) -> None:
    table = pyarrow.table({"image": pyarrow.array(list(IMAGES[:2].reshape(2, 784))), "label": [[1], [2]]})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="labels of the type object"):
        open_parquet(InputFile(tmp_path / "a.parquet", "a.parquet"), "test", 100)

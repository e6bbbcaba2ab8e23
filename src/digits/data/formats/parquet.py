"""Parquet files: one column per pixel, a column of lists, or a column of pictures as Hugging Face saves them."""

import io
from typing import Any

import numpy as np
from PIL import Image

from digits.data.formats.arrays import Array
from digits.data.formats.csv_dialect import LABEL_NAMES, dialect_of_header
from digits.data.formats.digit_file import DigitFile, InputFile, NamedArray, open_arrays
from digits.errors import InputError

IMAGE_NAMES = ("image", "img", "images", "pixels", "x", "data")
"""Columns of lists or pictures, in lower case."""
MAX_SIDE = 64
"""Of a picture in a cell, in pixels."""
MAX_PARQUET_BYTES = 2 << 30
"""Of the columns of a file, which are read into memory."""


def open_parquet(file: InputFile, part: str, chunk_size: int) -> DigitFile:
    """The images and labels of a file.

    Raises InputError without the package pyarrow, for a damaged file, and for columns that are no images."""
    table = _read_table(file)
    names = list(table.column_names)
    by_lower_name = {name.lower(): name for name in names}
    label_name = next((by_lower_name[name] for name in LABEL_NAMES if name in by_lower_name), None)
    image_name = next((by_lower_name[name] for name in IMAGE_NAMES if name in by_lower_name), None)
    if image_name is not None:
        values = _read_images(table[image_name], f"{file.name}, column {image_name}")
    else:
        dialect = dialect_of_header(names, ",", f"{file.name}, columns")
        image_name = f"{len(dialect.pixels)} columns"
        columns = [table[names[position]].to_numpy() for position in dialect.pixels]
        values = np.stack(columns, axis=1)
    labels = None
    if label_name is not None:
        labels = NamedArray(label_name, np.asarray(table[label_name].to_numpy()))
    return open_arrays(file, NamedArray(image_name, values), labels, chunk_size)


def _read_table(file: InputFile) -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise InputError(f"{file.name}: Parquet needs an extra; pip install pyarrow") from None
    try:
        content = parquet.ParquetFile(file.path)
        groups = [content.metadata.row_group(index) for index in range(content.metadata.num_row_groups)]
        size = sum(group.total_byte_size for group in groups)
        if size > MAX_PARQUET_BYTES:
            raise InputError(f"{file.name}: {size / 2**30:.1f} GB; save the images as .npy")
        return content.read()
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Arrow has several classes of errors
        raise InputError(f"{file.name}: damaged, or not a Parquet file ({error})") from None


def _read_images(column: Any, where: str) -> Array:
    """Lists of numbers, or pictures as bytes, in an array [N, …]."""
    try:
        flat = _read_lists(column)
        if flat is not None:
            return flat
        images = [_read_cell(cell.as_py()) for cell in column]
        return np.stack(images)
    except MemoryError:
        raise
    except Exception:  # damaged pictures raise almost any error in Pillow's decoders
        raise InputError(f"{where}: not images of one size, or damaged") from None


def _read_lists(column: Any) -> Array | None:
    """Lists of numbers, or of lists of numbers, as an array [N, …], without Python objects. None for other columns."""
    from pyarrow import compute, types

    values = column.combine_chunks()
    shape = [len(values)]
    while types.is_list(values.type) or types.is_large_list(values.type) or types.is_fixed_size_list(values.type):
        if values.null_count > 0 or len(values) == 0:
            return None
        lengths = compute.list_value_length(values).to_numpy(zero_copy_only=False)
        if (lengths != lengths[0]).any():
            return None
        shape.append(int(lengths[0]))
        values = values.flatten()
    if len(shape) == 1 or values.null_count > 0 or not types.is_primitive(values.type):
        return None
    flat: Array = values.to_numpy(zero_copy_only=False).reshape(shape)
    return flat


def _read_cell(cell: Any) -> Array:
    """A list of numbers, the bytes of a picture, or Hugging Face's structure with its bytes."""
    if isinstance(cell, dict):
        cell = cell["bytes"]
    if isinstance(cell, bytes):
        with Image.open(io.BytesIO(cell), formats=("PNG", "JPEG", "BMP")) as picture:
            if max(picture.size) > MAX_SIDE:
                raise ValueError(picture.size)
            return np.asarray(picture.convert("L"))
    return np.asarray(cell)

"""MATLAB's files (.mat) of the versions 4 to 7."""

import numpy as np

from digits.data.formats.arrays import Array
from digits.data.formats.digit_file import DigitFile, InputFile, NamedArray, open_arrays
from digits.data.formats.matlab_size import find_bounded_variables
from digits.data.formats.named_arrays import choose_arrays
from digits.errors import InputError

COLUMN_ORDER_PIXELS = 400
"""A. Ng's ex3data1 has images of 20×20 whose columns lie one after the other, as MATLAB flattens a matrix."""


def open_mat(file: InputFile, part: str, chunk_size: int) -> DigitFile:
    """The images of one part, train or test, and their labels.

    Raises InputError for a damaged file, for version 7.3, which is HDF5, and without images."""
    arrays = read_mat(file)
    images, labels = choose_arrays(arrays, file.name, part)
    images = NamedArray(images.name, _to_row_order(images.values))
    return open_arrays(file, images, labels, chunk_size)


def read_mat(file: InputFile) -> dict[str, Array]:
    """The arrays of numbers of a file by their names. Those of a structure have the names of its fields."""
    from scipy.io import loadmat  # imported late: only these files need it

    try:
        names = find_bounded_variables(file)
        content = loadmat(file.path, variable_names=names)
    except (InputError, OSError):
        raise
    except NotImplementedError:
        raise InputError(f"{file.name}: MATLAB's version 7.3; save it with save(…, '-v7')") from None
    except Exception:  # SciPy's parser raises any error for arbitrary bytes
        raise InputError(f"{file.name}: damaged, or not a file of MATLAB") from None
    arrays: dict[str, Array] = {}
    for name, value in content.items():
        if not name.startswith("__"):
            _collect(arrays, name, value)
    return arrays


def _collect(arrays: dict[str, Array], name: str, value: object) -> None:
    """Adds the arrays of a variable. EMNIST has a structure with the structures `train` and `test`."""
    if not isinstance(value, np.ndarray):
        return
    if value.dtype.names is None:
        if value.dtype.kind in "biuf":
            arrays[name] = value
        return
    for field in value.dtype.names:
        is_part = field in ("train", "test")
        for one in value[field].flat:
            if is_part and isinstance(one, np.ndarray) and one.dtype.names:
                for inner in one.dtype.names:
                    _collect(arrays, f"{field}_{inner}", one[inner].flat[0])
            else:
                _collect(arrays, field, one)


def _to_row_order(images: Array) -> Array:
    """Images of 400 values are in the order of columns."""
    if images.ndim != 2 or images.shape[1] != COLUMN_ORDER_PIXELS:
        return images
    return images.reshape(-1, 20, 20).transpose(0, 2, 1)

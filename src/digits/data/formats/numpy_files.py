"""NumPy's files: one array (.npy), or several in a ZIP archive (.npz)."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from digits.data.formats.arrays import Array
from digits.data.formats.digit_file import DigitFile, NamedArray, open_arrays
from digits.data.formats.named_arrays import choose_arrays
from digits.errors import InputError

MAX_NPZ_BYTES = 4 << 30
"""Of the arrays of an .npz file, which are read into memory: MNIST has 0.055 GB, as float64 0.44 GB."""
LABELS_OF_IMAGES = (("images", "labels"), ("X", "y"), ("x", "y"), ("data", "labels"), ("data", "target"))
"""A part of the name of a file of images, and what a file of their labels has in its place."""


def open_npy(path: Path, part: str, chunk_size: int) -> DigitFile:
    """An array of images, mapped into memory. Labels are read from a file beside it: y_test.npy beside X_test.npy.

    Raises InputError for a damaged file, and for an array that holds no images."""
    images = NamedArray("", map_array(path))
    labels_path = find_labels_file(path)
    if labels_path is None:
        return open_arrays(path, images, None, chunk_size)
    labels = NamedArray(labels_path.name, np.asarray(map_array(labels_path)))
    opened = open_arrays(path, images, labels, chunk_size)
    return DigitFile(opened.description, opened.chunks, [path, labels_path], opened.progress)


def map_array(path: Path) -> Array:
    """The array of an .npy file, mapped into memory."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # the header is a Python literal, which can be damaged in any way
        if "allow_pickle" in str(error):
            raise InputError(f"{path}: holds Python objects, not numbers; save it with dtype=uint8") from None
        raise InputError(f"{path}: damaged, or not an array of numbers") from None
    if path.stat().st_size != array.offset + array.nbytes:
        raise InputError(f"{path}: holds more than its header announces; save it again")
    return array


def find_labels_file(path: Path) -> Path | None:
    """The file of labels beside a file of images: y_test.npy beside X_test.npy."""
    for of_images, of_labels in LABELS_OF_IMAGES:
        if of_images in path.stem:
            candidate = path.with_name(path.stem.replace(of_images, of_labels) + path.suffix)
            if candidate.is_file():
                return candidate
    return None


def open_npz(path: Path, part: str, chunk_size: int) -> DigitFile:
    """The images of one part, train or test, and their labels.

    Raises InputError for a damaged file, for arrays above `MAX_NPZ_BYTES`, and without images."""
    arrays = read_npz(path)
    images, labels = choose_arrays(arrays, str(path), part)
    return open_arrays(path, images, labels, chunk_size)


def read_npz(path: Path) -> dict[str, Array]:
    """All arrays of an .npz file by their names."""
    try:
        with zipfile.ZipFile(path) as archive:
            _require_size(path, archive)
            return {one.filename.removesuffix(".npy"): _read_member(archive, one) for one in archive.infolist()}
    except (InputError, OSError):
        raise
    except Exception:  # a header is a Python literal, which can be damaged in any way
        raise InputError(f"{path}: damaged, or not arrays of numbers") from None


def _require_size(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuses an archive by the sizes that its directory announces. More than these are never unpacked."""
    size = sum(member.file_size for member in archive.infolist())
    if size > MAX_NPZ_BYTES:
        raise InputError(f"{path}: its arrays have {size / 2**30:.1f} GB; save images as uint8 in an .npy file")


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """One array. NumPy's own function would allocate what the header of the array announces, however large."""
    with archive.open(member) as file:
        version = npy_format.read_magic(file)
        read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, is_fortran, dtype = read_header(file)
        if dtype.hasobject:
            raise InputError(f"{archive.filename}, {member.filename}: holds Python objects; save it with dtype=uint8")
        content = file.read()
    array = np.frombuffer(content, dtype)
    return array.reshape(shape, order="F" if is_fortran else "C")

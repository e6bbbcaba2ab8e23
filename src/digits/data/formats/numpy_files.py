"""NumPy's files: one array (.npy), or several in a ZIP archive (.npz)."""

import mmap
import sys
import warnings
import zipfile
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib import format as npy_format

from digits.data.formats.archives import list_zip_names
from digits.data.formats.arrays import Array
from digits.data.formats.digit_file import DigitFile, FileChunk, InputFile, NamedArray, open_arrays
from digits.data.formats.labels_file import find_labels_file
from digits.data.formats.named_arrays import choose_arrays
from digits.errors import InputError
from digits.files import translate_read_errors

MAX_NPZ_BYTES = 4 << 30
"""Of the arrays of an .npz file, which are read into memory: MNIST has 0.055 GB, as float64 0.44 GB."""


def open_npy(file: InputFile, part: str, chunk_size: int) -> DigitFile:
    """An array of images, mapped into memory. Labels are read from a file beside it: y_test.npy beside X_test.npy.

    Raises InputError for a damaged file, and for an array that holds no images."""
    mapped = map_array(file)
    labels_path = find_labels_file(file.path)
    labels = None
    files = [file.path]
    if labels_path is not None:
        labels_file = InputFile(labels_path, str(labels_path))
        labels = NamedArray(labels_path.name, np.asarray(map_array(labels_file)))
        files.append(labels_path)
    opened = open_arrays(file, NamedArray("", mapped), labels, chunk_size)
    return DigitFile(opened.description, _release_pages(opened.chunks, mapped), files)


def _release_pages(chunks: Iterator[FileChunk], mapped: Array) -> Iterator[FileChunk]:
    """The same chunks. The pages of a mapped file that were read would otherwise stay in the memory of the process."""
    for chunk in chunks:
        yield chunk
        if sys.platform != "win32" and isinstance(mapped.base, mmap.mmap):
            mapped.base.madvise(mmap.MADV_DONTNEED)


def map_array(file: InputFile) -> Array:
    """The array of an .npy file, mapped into memory."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about old or damaged headers
            array: Array = np.load(file.path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # the header is a Python literal, which can be damaged in any way
        if "Python objects" in str(error):
            raise InputError(f"{file.name}: holds Python objects, not numbers; save it with dtype=uint8") from None
        raise InputError(f"{file.name}: damaged, or not an array of numbers") from None
    mapped_bytes = array.offset + array.nbytes  # type: ignore[attr-defined]
    if file.path.stat().st_size != mapped_bytes:
        raise InputError(f"{file.name}: holds more than its header announces; save it again")
    return array


def open_npz(file: InputFile, part: str, chunk_size: int) -> DigitFile:
    """The images of one part, train or test, and their labels.

    Raises InputError for a damaged file, for arrays above `MAX_NPZ_BYTES`, and without images."""
    arrays = read_npz(file)
    images, labels = choose_arrays(arrays, file.name, part)
    return open_arrays(file, images, labels, chunk_size)


def is_npz(names: Sequence[str]) -> bool:
    """Whether an archive with these files holds only arrays."""
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(file: InputFile) -> dict[str, Array]:
    """All arrays of an .npz file by their names."""
    try:
        with (
            translate_read_errors(file.name),
            zipfile.ZipFile(file.path) as archive,
            warnings.catch_warnings(action="ignore"),
        ):
            _require_size(file, archive)
            arrays = {}
            for name in list_zip_names(file.path):
                arrays[name.removesuffix(".npy")] = _read_member(file, archive, archive.getinfo(name))
            return arrays
    except InputError:
        raise
    except Exception:  # a header is a Python literal, which can be damaged in any way
        raise InputError(f"{file.name}: damaged, or not arrays of numbers") from None


def _require_size(file: InputFile, archive: zipfile.ZipFile) -> None:
    """Refuses an archive by the sizes that its directory announces. More than these are never unpacked."""
    size = sum(member.file_size for member in archive.infolist())
    if size > MAX_NPZ_BYTES:
        raise InputError(f"{file.name}: its arrays have {size / 2**30:.1f} GB; save images as uint8 in an .npy file")


def _read_member(file: InputFile, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """One array. NumPy's own function would allocate what the header of the array announces, however large."""
    with archive.open(member) as content:
        version = npy_format.read_magic(content)
        read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, is_fortran, dtype = read_header(content)
        if dtype.hasobject:
            raise InputError(f"{file.name}, {member.filename}: holds Python objects; save it with dtype=uint8")
        array = np.frombuffer(content.read(), dtype)
    return array.reshape(shape, order="F" if is_fortran else "C")

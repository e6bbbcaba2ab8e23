"""MNIST's four files: where they lie, download, verification."""

import gzip
import zlib
from hashlib import md5
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from digits.data.formats.idx_file import IdxReader
from digits.errors import InputError


class FileCheck(NamedTuple):
    """The content of an unpacked file of MNIST."""

    size: int
    """in bytes"""
    md5: str


MNIST_FILES = {
    "train-images-idx3-ubyte": FileCheck(47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": FileCheck(60_008, "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": FileCheck(7_840_016, "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": FileCheck(10_008, "27ae3e4e09519cfbb04c329615203637"),
}
FOLDERS = ("MNIST/raw", "raw", ".")
"""Where the files lie in `root`; torchvision downloads them into the first."""


def read_mnist(root: str | Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 28, 28] and labels int64 [N] of the split `train` or `t10k`. The files lie in `root`, `root`/raw
    or `root`/MNIST/raw, and may be gzipped.

    Raises InputError if a file is missing and cannot be downloaded, or is not byte for byte MNIST's.
    """
    folder = find_folder(Path(root))
    missing = [name for name in MNIST_FILES if find_file(folder, name) is None]
    if missing and not download:
        raise InputError(_missing_files_message(folder, missing, "data.download=false"))
    if missing:
        _download(Path(root), folder, missing)
    images = _read_verified(folder, f"{split}-images-idx3-ubyte")
    labels = _read_verified(folder, f"{split}-labels-idx1-ubyte")
    return images, labels.long()


def find_folder(root: Path) -> Path:
    """The first of `FOLDERS` with all four files, or else the one for downloads."""
    for name in FOLDERS:
        folder = root / name
        if all(find_file(folder, file) for file in MNIST_FILES):
            return folder
    return root / FOLDERS[0]


def find_file(folder: Path, name: str) -> Path | None:
    """A file of MNIST, plain or gzipped. Kaggle and Windows have a dot in its name: t10k-images.idx3-ubyte."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, dotted, f"{name}.gz", f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    return None


def _download(root: Path, folder: Path, missing: list[str]) -> None:
    from torchvision.datasets import MNIST  # imported late: slow, and a download is rare

    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        MNIST(str(root), download=True)
    except (OSError, RuntimeError) as error:
        for path in created:  # torchvision leaves empty folders
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        reason = str(error).strip().splitlines()[-1]
        raise InputError(_missing_files_message(folder, missing, reason)) from error


def _missing_files_message(folder: Path, missing: list[str], reason: str) -> str:
    return (
        f"MNIST is not in {folder}: {missing[0]} is missing and not downloaded ({reason[:80]}); put the four files "
        "there, name their folder with data.root, or use data=sample, which works offline"
    )


def _read_verified(folder: Path, name: str) -> Tensor:
    """The items uint8 [N, …] of one of MNIST's files. Raises InputError if its size or MD5 differs."""
    path = find_file(folder, name)
    assert path is not None
    content = _read_unpacked(path)
    expected = MNIST_FILES[name]
    if len(content) != expected.size or md5(content, usedforsecurity=False).hexdigest() != expected.md5:
        raise InputError(f"{path}: not MNIST's {_describe_difference(content, expected)}")
    reader = IdxReader(BytesIO(content), str(path))
    values = reader.read(reader.count)
    return torch.from_numpy(values.astype("u1"))  # a copy: the bytes cannot be written


def _read_unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it to download it again") from None


def _describe_difference(content: bytes, expected: FileCheck) -> str:
    """How a file differs from MNIST's. A complete IDX file of another size belongs to another data set."""
    another = "if it is another data set, read it with data=file data.train=FILE; else delete it to download it again"
    if len(content) == expected.size:
        return f"(its MD5 is not {expected.md5}); {another}"
    try:
        reader = IdxReader(BytesIO(content), "")
        reader.read(reader.count)
        reader.require_end()
    except InputError:
        return (
            f"({len(content):,} bytes instead of {expected.size:,}); delete it to download it again, or copy it again"
        )
    return f"but another data set ({reader.header.describe()}); read it with data=file data.train=FILE"

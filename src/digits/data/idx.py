"""MNIST's IDX files: download, verification, parsing."""

from hashlib import md5
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from digits.errors import InputError
from digits.files import translate_read_errors


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


def read_mnist(root: str | Path, split: str, download: bool) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 28, 28] and labels int64 [N] of the split `train` or `t10k` in `root`/MNIST/raw.

    Raises InputError if a file is missing and cannot be downloaded, or is not byte for byte MNIST's.
    """
    raw = Path(root) / "MNIST" / "raw"
    missing = [name for name in MNIST_FILES if not (raw / name).is_file()]
    if missing and not download:
        raise InputError(_missing_files_message(raw, missing, "data.download=false"))
    if missing:
        _download(root, raw, missing)
    images = _read_verified(raw / f"{split}-images-idx3-ubyte", (28, 28))
    labels = _read_verified(raw / f"{split}-labels-idx1-ubyte", ())
    return images, labels.long()


def _download(root: str | Path, raw: Path, missing: list[str]) -> None:
    from torchvision.datasets import MNIST  # imported late: slow, and a download is rare

    try:
        MNIST(str(root), download=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(_missing_files_message(raw, missing, reason)) from error


def _missing_files_message(raw: Path, missing: list[str], reason: str) -> str:
    return (
        f"MNIST is not in {raw}: {missing[0]} is missing and not downloaded ({reason[:80]}); put the four unpacked "
        "files there, name their folder with data.root, or use data=sample, which works offline"
    )


def _read_verified(path: Path, shape: tuple[int, ...]) -> Tensor:
    """Uint8 [N, *shape] of one of MNIST's files. Raises InputError if its size or MD5 differs."""
    expected = MNIST_FILES[path.name]
    remedy = "delete it to download it again, or copy it again"
    content = path.read_bytes()
    if len(content) != expected.size:
        raise InputError(f"{path} has {len(content):,} bytes instead of {expected.size:,}; {remedy}")
    if md5(content, usedforsecurity=False).hexdigest() != expected.md5:
        raise InputError(f"{path} is not MNIST's: its MD5 is not {expected.md5}; {remedy}")
    file = BytesIO(content)
    count = read_idx_header(path, file, shape)
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=file.tell())
    return values.view(count, *shape)


def read_idx_header(path: Path, file: BinaryIO, shape: tuple[int, ...]) -> int:
    """Reads the header and returns the number of items: images for `shape` (28, 28), labels for (). Raises InputError
    if there are none, or the header has another type or shape."""
    dimensions = 1 + len(shape)
    uint8 = 8
    if read_exactly(path, file, 4) != bytes([0, 0, uint8, dimensions]):
        content = "images" if shape else "labels"
        raise InputError(f"{path}: not an IDX file of {content} in uint8")
    sizes = np.frombuffer(read_exactly(path, file, 4 * dimensions), dtype=">i4")  # big-endian int32
    count, *sides = sizes.tolist()
    if count < 1:
        raise InputError(f"{path}: empty; its header announces {count} items")
    if tuple(sides) != shape:
        found = "×".join(str(side) for side in sides)
        raise InputError(f"{path}: {count:,} images of {found}; images of 28×28 are expected")
    return int(count)


def read_exactly(path: Path, file: BinaryIO, size: int) -> bytes:
    """The next `size` bytes. Raises InputError if the file ends before or cannot be read."""
    with translate_read_errors(str(path)):
        content = file.read(size)
    if len(content) < size:
        raise InputError(f"{path}: ends before all that its header announces; copy or download it again")
    return content


def require_end(path: Path, file: BinaryIO) -> None:
    """Raises InputError if data follow. Reading on to the end also verifies the checksum of a gzipped file."""
    with translate_read_errors(str(path)):
        if file.read(1):
            raise InputError(f"{path}: holds more than its header announces; copy or download it again")

"""MNIST's four IDX files: found or downloaded, and verified whenever they are read."""

from hashlib import md5
from pathlib import Path

import torch
from torch import Tensor

from digits.errors import InputError

# name: (bytes, MD5) of the unpacked files.
FILES = {
    "train-images-idx3-ubyte": (47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": (60_008, "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": (7_840_016, "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": (10_008, "27ae3e4e09519cfbb04c329615203637"),
}


def read_mnist(root: str | Path, part: str, download: bool) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 28, 28] and labels int64 [N] of a part, `train` or `t10k`, from `root`/MNIST/raw.

    Raises InputError if a file is missing and cannot be downloaded, or is not bit for bit MNIST's.
    """
    raw = Path(root) / "MNIST" / "raw"
    missing = [name for name in FILES if not (raw / name).is_file()]
    if missing and download:
        _download(root, raw, missing)
    elif missing:
        raise InputError(_advice(raw, missing, "data.download=false"))
    images = _verified(raw / f"{part}-images-idx3-ubyte")[16:]
    labels = _verified(raw / f"{part}-labels-idx1-ubyte")[8:]
    return images.view(-1, 28, 28), labels.long()


def _verified(path: Path) -> Tensor:
    """The file's bytes, uint8 [size]."""
    size, checksum = FILES[path.name]
    content = bytearray(path.read_bytes())
    if len(content) != size:
        fault = f"has {len(content):,} bytes instead of {size:,}"
    elif md5(content, usedforsecurity=False).hexdigest() != checksum:
        fault = f"is not MNIST's: its MD5 is not {checksum}"
    else:
        return torch.frombuffer(content, dtype=torch.uint8)
    raise InputError(f"{path} {fault}; delete it, and it is downloaded again, or copy it anew")


def _download(root: str | Path, raw: Path, missing: list[str]) -> None:
    from torchvision.datasets import MNIST  # only here: a download is rare, this import is not light

    try:
        MNIST(str(root), download=True)
    except (OSError, RuntimeError) as error:
        raise InputError(_advice(raw, missing, str(error).strip().splitlines()[-1])) from error


def _advice(raw: Path, missing: list[str], reason: str) -> str:
    return (
        f"MNIST is not in {raw}: {', '.join(missing)} missing and not downloaded ({reason}); "
        "put the unpacked files there, name their folder with data.root, or use data=sample, which works offline"
    )

"""MNIST's files as NumPy arrays, for the peers that have no reader of their own for them."""

from pathlib import Path

import numpy as np


def load_mnist(root: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 28, 28] and labels uint8 [N] of `train` or `t10k` in root/MNIST/raw."""
    raw = Path(root) / "MNIST" / "raw"
    images = np.frombuffer((raw / f"{part}-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    labels = np.frombuffer((raw / f"{part}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    return images.reshape(-1, 28, 28), labels

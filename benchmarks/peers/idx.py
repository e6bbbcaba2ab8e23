"""MNIST's IDX files as NumPy arrays, for the peers without a reader of their own."""

from pathlib import Path

import numpy as np


def load_mnist(root: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images uint8 [60000, 28, 28] and labels uint8 [60000], test images and labels, from root/MNIST/raw."""
    raw = Path(root) / "MNIST" / "raw"
    arrays = []
    for split in ("train", "t10k"):
        pixels = np.frombuffer((raw / f"{split}-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
        labels = np.frombuffer((raw / f"{split}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
        arrays += [pixels.reshape(-1, 28, 28), labels]
    return tuple(arrays)

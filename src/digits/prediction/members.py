"""The members of an ensemble: networks from checkpoints, and ONNX models."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from digits.installation import needs
from digits.runs.find_checkpoints import BUNDLED_PATH, require_checkpoint
from digits.runs.onnx_model import bundled_model, load_onnx_model


class Member(Protocol):
    """One network. `calibrated` says that a temperature was fitted to its probabilities on validation digits,
    `hardware` what computes it."""

    @property
    def name(self) -> str: ...

    @property
    def calibrated(self) -> bool: ...

    @property
    def hardware(self) -> str: ...

    def predict(self, images: NDArray[np.uint8], batch_size: int = 128) -> NDArray[np.float32]:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        ...


def load_member(
    path: Path, *, accelerator: str = "auto", precision: str = "auto", needs_pytorch: bool = False
) -> Member:
    """Loads a `.ckpt` or `.onnx` file. The network of this package runs in ONNX Runtime, without PyTorch, unless
    `needs_pytorch`, or another device or precision than float32 on the CPU, says otherwise.

    Raises InputError if the file is missing, damaged or not from this project."""
    if path.suffix == ".onnx":
        return load_onnx_model(path)
    on_cpu_in_float32 = accelerator in ("auto", "cpu") and precision in ("auto", "32-true")
    if path == BUNDLED_PATH and on_cpu_in_float32 and not needs_pytorch:
        return bundled_model()
    require_checkpoint(path)  # before PyTorch is needed
    feature = (
        "another device or precision than float32 on the CPU" if path == BUNDLED_PATH else f"the checkpoint {path}"
    )
    with needs(feature, "PyTorch"):
        from digits.prediction.checkpoint_member import load_checkpoint_member  # imported late: PyTorch takes seconds

    return load_checkpoint_member(path, accelerator, precision)

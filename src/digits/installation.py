"""Packages that only the full installation has. The light one, `make install-predict`, predicts without them."""

from collections.abc import Iterator
from contextlib import contextmanager

from digits.errors import InputError

PACKAGES = (
    "torch", "torchvision", "lightning", "torchmetrics", "pandas", "scipy", "matplotlib", "PIL", "onnx", "onnxscript",
    "onnxruntime", "mlxtend",
)  # fmt: skip
"""The packages of the project that a feature may need, by the names that Python imports."""


def require_training() -> None:
    """Raises InputError if PyTorch or Lightning is not installed. Imports neither."""
    from importlib import metadata  # imported late: prediction needs none

    with needs("training", "PyTorch and Lightning"):
        for package in ("torch", "lightning"):
            metadata.version(package)


@contextmanager
def needs(feature: str, packages: str) -> Iterator[None]:
    """Wraps what a feature imports. `packages` are the names for people.

    Raises InputError if a package is not installed, or cannot be loaded."""
    try:
        yield
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in PACKAGES:
            raise
        if isinstance(error, ModuleNotFoundError):
            raise InputError(f"{feature} needs {packages}: make install") from None
        raise InputError(
            f"{feature} needs {packages}, but {missing} cannot be loaded ({error}): make install"
        ) from None

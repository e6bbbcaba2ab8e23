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
    require_packages("training", "PyTorch and Lightning", "torch", "lightning")


def require_packages(feature: str, names: str, *packages: str) -> None:
    """Raises InputError if a package that a feature needs is not installed. Imports none. `names` are those for
    people."""
    from importlib import metadata  # imported late: prediction needs none

    with needs(feature, names):
        for package in packages:
            metadata.version(package)


@contextmanager
def needs(feature: str, names: str) -> Iterator[None]:
    """Wraps what a feature imports. `names` are those of its packages for people.

    Raises InputError if a package is not installed, or cannot be loaded."""
    try:
        yield
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in PACKAGES:
            raise
        if isinstance(error, ModuleNotFoundError):
            raise InputError(f"{feature} needs {names}: make install") from None
        raise InputError(f"{feature} needs {names}, but {missing} cannot be loaded ({error}): make install") from None

"""Packages that only the full installation has. The light one, `make install-predict`, predicts without them."""

from collections.abc import Iterator
from contextlib import contextmanager

from digits.errors import InputError

OWN_PACKAGES = ("digits", "hydra_plugins")


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

    Raises InputError if a package, or one that it needs itself, is not installed or cannot be loaded. A module of this
    project that is missing is a bug, whose ImportError passes."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]  # NumPy and Pillow raise errors without a name
        if package in OWN_PACKAGES:
            raise
        if isinstance(error, ModuleNotFoundError):
            raise InputError(f"{feature} needs {names}: make install") from None
        broken = package or "a package"
        raise InputError(
            f"{feature} needs {names}, but {broken} cannot be loaded ({error}); install it again"
        ) from None

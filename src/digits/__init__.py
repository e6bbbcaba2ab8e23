"""Deep CNNs on handwritten digits with PyTorch Lightning and Hydra."""

from importlib import import_module
from typing import Any

MODULES = {
    "load_classifier": "digits.prediction.classifier",
    "read": "digits.prediction.read",
    "read_all": "digits.prediction.read",
    "train": "digits.api",
}
__all__ = ["load_classifier", "read", "read_all", "train"]


def __getattr__(name: str) -> Any:
    if name in MODULES:  # imported late: `import digits` needs no torch
        return getattr(import_module(MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

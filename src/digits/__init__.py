"""Deep CNNs on handwritten digits with PyTorch Lightning and Hydra."""

from typing import Any

__all__ = ["load_classifier"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # imported late: `import digits` needs no torch
        from digits.prediction.classifier import load_classifier

        return load_classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

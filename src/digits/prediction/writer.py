"""The predictions file: Kaggle's `ImageId,Label`, or `file,Label` for pictures, and more columns on request."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

import pandas as pd
from torch import Tensor

from digits.errors import InputError
from digits.files import atomic_write


class Predictions:
    """Writes a line for each digit, in the order in which they are given."""

    def __init__(self, file: TextIO, *, pictures: bool, confidence: bool, probabilities: bool) -> None:
        self.file = file
        self.pictures = pictures
        self.confidence = confidence
        self.probabilities = probabilities
        self.written = 0
        self.header = True

    def write(self, probabilities: Tensor, files: Sequence[str]) -> None:
        """Probabilities float32 [N, 10]; `files` are the names of N pictures. Raises OSError."""
        values = probabilities.double()
        values /= values.sum(1, keepdim=True)
        confidence, labels = values.max(1)
        first = self.written + 1
        table = pd.DataFrame({"file": files} if self.pictures else {"ImageId": range(first, first + len(labels))})
        table["Label"] = labels.numpy()
        if self.confidence:
            table["confidence"] = confidence.numpy()
        if self.probabilities:
            table[[f"p{digit}" for digit in range(10)]] = values.numpy()
        table.to_csv(self.file, header=self.header, index=False, float_format="%.6f", lineterminator="\n")
        self.header = False
        self.written += len(labels)


@contextmanager
def predictions_file(path: str, *, pictures: bool, confidence: bool, probabilities: bool) -> Iterator[Predictions]:
    """The file `path`, which appears when all is written, or standard output for `-`.

    Raises InputError if it cannot be written.
    """
    columns = {"pictures": pictures, "confidence": confidence, "probabilities": probabilities}
    if path == "-":
        try:
            yield Predictions(sys.stdout, **columns)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has seen enough
            raise
        except OSError as error:
            raise InputError(f"standard output: cannot be written ({error.strerror or error})") from error
        return
    with atomic_write(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield Predictions(file, **columns)

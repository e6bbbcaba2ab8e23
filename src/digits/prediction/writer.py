"""The predictions as CSV: Kaggle's `ImageId,Label`, or `file,Label` for pictures, and further columns on request."""

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import pandas as pd
from torch import Tensor

from digits.errors import InputError
from digits.files import atomic_write, discard_output
from digits.prediction.classifier import Predictions

# A boolean setting -> the columns that it adds, from the predictions for N digits (probabilities float64 [N, 10]).
COLUMNS: dict[str, Callable[[Predictions], dict[str, Tensor]]] = {
    "confidence": lambda predictions: {"confidence": predictions.probabilities.amax(1)},
    "probabilities": lambda predictions: {f"p{digit}": p for digit, p in enumerate(predictions.probabilities.T)},
}


@contextmanager
def open_output(path: str) -> Iterator[TextIO]:
    """Opens a file that appears under its name when it is complete, or standard output for `-`. Raises InputError if it
    cannot be written."""
    if path != "-":
        with atomic_write(path) as temp, temp.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield file
        return
    if sys.stdout is None or getattr(sys.stdout, "name", "") == os.devnull:  # see `prepare_streams`
        raise InputError("standard output is closed; name a file, output=…")
    if isinstance(sys.stdout, io.TextIOWrapper):  # the same bytes as in a file
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        raise
    except OSError as error:
        discard_output(sys.stdout)
        raise InputError(f"standard output: cannot be written ({error.strerror or error})") from error


class PredictionWriter:
    """Writes one row per digit. `columns` are keys of COLUMNS."""

    def __init__(self, file: TextIO, columns: Sequence[str], *, from_pictures: bool) -> None:
        self.file, self.columns, self.from_pictures = file, columns, from_pictures
        self.rows = 0

    def write(self, predictions: Predictions, files: Sequence[str] = ()) -> None:
        """Appends N rows; `files` are the names of N pictures. Raises OSError."""
        probabilities = predictions.probabilities.double()
        predictions = predictions._replace(probabilities=probabilities / probabilities.sum(1, keepdim=True))
        ids = range(self.rows + 1, self.rows + 1 + len(probabilities))
        table: dict[str, Any] = {"file": files} if self.from_pictures else {"ImageId": ids}
        table["Label"] = predictions.probabilities.argmax(1).numpy()
        for name in self.columns:
            table |= {column: values.numpy() for column, values in COLUMNS[name](predictions).items()}
        frame = pd.DataFrame(table)
        header = len(frame) > 0 and self.rows == 0
        frame.to_csv(self.file, header=header, index=False, float_format="%.6f", lineterminator="\n")
        self.rows += len(frame)

"""The predictions as CSV: Kaggle's `ImageId,Label`, or `file,Label` for pictures, and further columns on request."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import pandas as pd

from digits.errors import InputError
from digits.files import atomic_write, discard_output
from digits.prediction.chunks import PredictedChunk
from digits.settings import PredictSettings


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
    """Writes one row per digit."""

    def __init__(self, file: TextIO, settings: PredictSettings) -> None:
        self.file = file
        self.settings = settings
        self.rows = 0

    def write(self, chunk: PredictedChunk) -> None:
        """Appends N rows. Raises OSError."""
        table = self._table(chunk)
        is_first = self.rows == 0 and len(table) > 0
        table.to_csv(self.file, header=is_first, index=False, float_format="%.6f", lineterminator="\n")
        self.rows += len(table)

    def _table(self, chunk: PredictedChunk) -> pd.DataFrame:
        raw = chunk.predictions.probabilities.double()
        probabilities = (raw / raw.sum(1, keepdim=True)).numpy()
        columns: dict[str, Any] = {}
        sources = chunk.digits.sources
        if sources:
            columns["file"] = [source.file for source in sources]
        else:
            columns["ImageId"] = range(self.rows + 1, self.rows + 1 + len(probabilities))
        columns["Label"] = probabilities.argmax(1)
        if self.settings.confidence:
            columns["confidence"] = probabilities.max(1)
        if self.settings.probabilities:
            for digit in range(10):
                columns[f"p{digit}"] = probabilities[:, digit]
        return pd.DataFrame(columns)

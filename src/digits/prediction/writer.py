"""The predictions as CSV: Kaggle's `ImageId,Label`, or `file,Label` for pictures, and further columns on request. All
digits of pictures have `file,index,Label,box`."""

import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from digits.errors import InputError
from digits.files import atomic_write, discard_output
from digits.prediction.chunks import DigitSource, PredictedChunk
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
        """Appends N rows, and the header before the first. Raises OSError."""
        columns = self._columns(chunk)
        count = len(columns["Label"])
        writer = csv.writer(self.file, lineterminator="\n")
        if self.rows == 0 and count > 0:
            writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        self.rows += count

    def _columns(self, chunk: PredictedChunk) -> dict[str, Sequence[object]]:
        """The columns of N rows by their names."""
        raw = chunk.predictions.probabilities.astype(np.float64)
        probabilities = raw / raw.sum(1, keepdims=True)
        columns: dict[str, Sequence[object]] = {}
        sources = chunk.digits.sources
        if sources:
            columns["file"] = [source.file for source in sources]
            columns |= _indices(sources)
        else:
            columns["ImageId"] = range(self.rows + 1, self.rows + 1 + len(probabilities))
        columns["Label"] = probabilities.argmax(1).tolist()
        columns |= _boxes(sources)
        if self.settings.confidence:
            columns["confidence"] = _decimals(probabilities.max(1))
        if self.settings.probabilities:
            for digit in range(10):
                columns[f"p{digit}"] = _decimals(probabilities[:, digit])
        return columns


def _indices(sources: Sequence[DigitSource]) -> dict[str, Sequence[object]]:
    """The column `index`, if all digits of each picture are read."""
    indices = [source.place.index for source in sources if source.place is not None]
    return {"index": indices} if indices else {}


def _boxes(sources: Sequence[DigitSource]) -> dict[str, Sequence[object]]:
    """The column `box`, if all digits of each picture are read."""
    boxes = [" ".join(map(str, source.place.box)) for source in sources if source.place is not None]
    return {"box": boxes} if boxes else {}


def _decimals(values: NDArray[np.float64]) -> list[str]:
    return [f"{value:.6f}" for value in values.tolist()]

"""Pictures of single digits, with their images from the data source of a run."""

import logging
import os
from collections.abc import Mapping, Sequence
from inspect import isfunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from digits.config import flatten
from digits.errors import InputError
from digits.evaluation.plots import plot_digits
from digits.files import atomic_write
from digits.studies.results import RunResult

if TYPE_CHECKING:
    from torch import Tensor

    from digits.data.sources import Source

log = logging.getLogger(__name__)

MAX_DIGITS = 60


def save_digits(
    run: RunResult, split: str, table: pd.DataFrame, captions: Sequence[str], title: str, path: Path
) -> None:
    """Draws the first `MAX_DIGITS` rows of a table with the columns index and label, each with its caption. `split` is
    `test`, or else the training digits of the source. Logs one warning if the images cannot be read on this machine."""
    index = table["index"].to_numpy()
    try:
        images = _images_of(run, split, index, table["label"].to_numpy())
    except (InputError, OSError, KeyError, TypeError) as error:  # the last two: an incomplete configuration
        log.warning(f"{path.name} is not drawn: {error}")
        return
    if len(table) > MAX_DIGITS:
        title = title.replace("\n", f", the first {MAX_DIGITS} of {len(table):,}\n", 1)
    with atomic_write(path) as temp_path:
        plot_digits(images, captions[:MAX_DIGITS], title, temp_path)


def load_source(config: Mapping[str, Any]) -> "Source":
    """The data source of a run, from its configuration. Calls only functions of `digits.data.sources`, because a
    metrics.json from another machine may name any function, and downloads nothing.

    Raises InputError if the digits cannot be read."""
    from digits.data import sources  # imported late: torch takes seconds
    from digits.runs.onnx_model import predict_with_bundled

    settings = flatten(config)
    module, _, name = str(settings.get("data.source._target_")).rpartition(".")
    function = vars(sources).get(name)
    may_be_source = module == sources.__name__ and not name.startswith("_")
    if not may_be_source or not isfunction(function) or function.__module__ != module:
        raise InputError(f"{module}.{name} is not a function of {sources.__name__}")
    options = {}
    for parameter in signature(function).parameters:
        if f"data.{parameter}" in settings:
            options[parameter] = settings[f"data.{parameter}"]
    if "download" in signature(function).parameters:
        options["download"] = False
    # Where the bundled network has chosen the digits, it chooses them again.
    is_chosen = options.get("transform") == "auto" or os.path.isdir(str(options.get("train")))
    if is_chosen:
        options["judge"] = predict_with_bundled
    source: Source = function(**options)
    return source


def _images_of(run: RunResult, split: str, index: np.ndarray, labels: np.ndarray) -> "Tensor":
    """The images of the first `MAX_DIGITS` digits of a run, uint8 [N, 28, 28].

    Raises InputError if the source has other digits than the run had."""
    source = load_source(run.metrics.config)
    digits = source.test if split == "test" else source.train
    if digits is None or (index >= len(digits.labels)).any() or (digits.labels.numpy()[index] != labels).any():
        raise InputError("the data source has other digits than the runs")
    return digits.images[index[:MAX_DIGITS].tolist()]

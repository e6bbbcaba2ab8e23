"""Pictures of single digits, with their images from the data source of a run."""

import logging
from collections.abc import Mapping, Sequence
from inspect import isfunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from digits.config import flatten
from digits.errors import InputError
from digits.evaluation.plots import plot_digits
from digits.files import atomic_write
from digits.studies.results import RunResult

if TYPE_CHECKING:
    from digits.data.sources import Source

log = logging.getLogger(__name__)

MAX_DIGITS = 60


def save_digits(
    run: RunResult, split: str, table: pd.DataFrame, captions: Sequence[str], title: str, path: Path
) -> None:
    """Draws the first `MAX_DIGITS` rows of a table with the columns index and label, each with its caption. `split` is
    `test`, or else the training digits of the source. Logs one warning if the images cannot be read on this machine."""
    try:
        source = load_source(run.metrics.config)
        digits = source.test if split == "test" else source.train
        index, labels = table["index"].to_numpy(), table["label"].to_numpy()
        known = 0 if digits is None else len(digits.labels)
        if digits is None or (index >= known).any() or (digits.labels.numpy()[index] != labels).any():
            raise InputError("the data source has other digits than the runs")
    except (InputError, OSError, KeyError, TypeError) as error:  # the last two: an incomplete configuration
        log.warning(f"{path.name} is not drawn: {error}")
        return
    shown = f", the first {MAX_DIGITS} of {len(table):,}" if len(table) > MAX_DIGITS else ""
    with atomic_write(path) as temp_path:
        images = digits.images[index[:MAX_DIGITS].tolist()]
        plot_digits(images, captions[:MAX_DIGITS], title.replace("\n", f"{shown}\n", 1), temp_path)


def load_source(config: Mapping[str, Any]) -> "Source":
    """The data source of a run, from its configuration. Calls only functions of `digits.data.sources`, because a
    metrics.json from another machine may name any function, and downloads nothing.

    Raises InputError if the digits cannot be read."""
    from digits.data import sources  # imported late: torch takes seconds

    settings = flatten(config)
    module, _, name = str(settings.get("data.source._target_")).rpartition(".")
    function = vars(sources).get(name)
    if module != sources.__name__ or not isfunction(function) or function.__module__ != module or name[0] == "_":
        raise InputError(f"{module}.{name} is not a function of {sources.__name__}")
    parameters = signature(function).parameters
    options = {key: settings[f"data.{key}"] for key in parameters if f"data.{key}" in settings}
    source: Source = function(**options | ({"download": False} if "download" in parameters else {}))
    return source

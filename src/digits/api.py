"""`digits.train`: trains from Python as `python train.py` does from the command line."""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from digits.cli.console import ConsoleHandler
from digits.cli.hydra_versions import VERSION_BASE, limited_targets
from digits.cli.job import USER_ERRORS, hydra_job, register_resolvers
from digits.cli.messages import Command, error_message
from digits.errors import InputError
from digits.evaluation.score import Score
from digits.instantiation import CONF
from digits.prediction.classifier import Classifier, load_classifier
from digits.private_apis.hydra import hydra_put_aside, run_hydra_job
from digits.runs.folder import RunFolder
from digits.runs.job import TrainingJob
from digits.settings_checks import as_yaml
from digits.text_settings import NAME_SETTINGS
from digits.training import train as training

PART = "part"  # the key of a part of a list or a mapping; any name: only the value is compared
hydra_lock = threading.Lock()  # Hydra's state is global: one composition at a time


@dataclass(frozen=True)
class Run:
    """A completed run."""

    folder: Path
    val: Score | None
    test: Score | None

    @property
    def score(self) -> Score | None:
        """On the test digits; without a test on the validation digits."""
        return self.test or self.val

    @cached_property
    def classifier(self) -> Classifier:
        return load_classifier(self.folder)


def train(experiment: str | None = None, settings: Mapping[str, Any] | None = None) -> Run:
    """Trains as `python train.py experiment=EXPERIMENT KEY=VALUE …` does, in `outputs/` of the current folder. Keys are
    those of the command line, e.g. `{"optimizer": "adam", "trainer.max_epochs": 5}`.

    Raises InputError for invalid settings and data, and for experiments that are sweeps."""
    chosen = dict(settings or {})
    if experiment:
        chosen = {"experiment": experiment, **chosen}
    overrides = [f"{key}={_to_text(key, value)}" for key, value in chosen.items()]
    try:
        job = _prepare(overrides)
        with _logging_to(job.folder / "train.log"):
            training.train(job)
    except USER_ERRORS as error:
        raise InputError(error_message(error, Command([CONF], "train", overrides))) from None
    except SystemExit:  # Lightning turns KeyboardInterrupt into it
        raise KeyboardInterrupt from None
    metrics = RunFolder(job.folder).metrics()
    assert metrics is not None
    return Run(job.folder, _to_score(metrics.val), _to_score(metrics.test))


def _to_score(recorded: Mapping[str, float] | None) -> Score | None:
    """A score of metrics.json."""
    if recorded is None:
        return None
    return Score(int(recorded["errors"]), int(recorded["total"]))


def _prepare(overrides: Sequence[str]) -> TrainingJob:
    """Composes the job and writes what Hydra writes into its folder. The training itself runs with the Hydra of the
    program that calls it, if it has one."""
    with hydra_lock, hydra_put_aside(), limited_targets():
        register_resolvers()
        with initialize_config_dir(str(CONF), **VERSION_BASE, job_name="train"):
            hydra = compose("train", list(overrides), return_hydra_config=True).hydra
            if hydra.mode == RunMode.MULTIRUN:
                raise InputError(
                    f"experiment={hydra.runtime.choices.experiment} is a sweep; train it with python train.py"
                )
            prepared = run_hydra_job("train", _job_or_error, overrides)
    if isinstance(prepared, Exception):
        raise prepared
    assert isinstance(prepared, TrainingJob)
    return prepared


def _job_or_error(config: DictConfig) -> TrainingJob | Exception:
    """Returns an error, because Hydra prints those that are raised."""
    try:
        job = hydra_job(config)
        if job.finds_lr:
            raise InputError("find=lr trains no network; use it on the command line, python train.py find=lr")
        return job
    except Exception as error:
        return error


def _to_text(key: str, value: Any) -> str:
    """A value in Hydra's grammar. Text is quoted where the grammar would read something else. `key` is the setting, or
    `PART`."""
    if isinstance(value, Path) or (key in NAME_SETTINGS and type(value) is int):
        value = str(value)
    if isinstance(value, str):
        if _is_read_as_typed(key, value):
            return value
        return QuotedString(value, Quote.double).with_quotes()
    if isinstance(value, list | tuple):
        parts = [_to_text(PART, part) for part in value]
        return f"[{','.join(parts)}]"
    if isinstance(value, Mapping):
        parts = [f"{name}:{_to_text(PART, part)}" for name, part in value.items()]
        return f"{{{','.join(parts)}}}"
    if value is None or isinstance(value, bool):
        return as_yaml(value)
    return str(value)


def _is_read_as_typed(key: str, text: str) -> bool:
    try:
        [override] = OverridesParser.create().parse_overrides([f"{key}={text}"])
    except HydraException:
        return False
    return bool(override.value() == text)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Logs to a file, and to standard output unless the program that calls this package has handlers of its own."""
    logger = logging.getLogger("digits")
    file = logging.FileHandler(path, delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handlers: list[logging.Handler] = [file]
    if not logger.hasHandlers():
        handlers.append(ConsoleHandler())
    level = logger.level
    logger.setLevel(logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(level)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()

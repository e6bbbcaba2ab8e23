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
from digits.cli.messages import error_message
from digits.errors import InputError
from digits.evaluation.score import Score
from digits.instantiation import CONF
from digits.prediction.classifier import Classifier, load_classifier
from digits.private_apis import hydra_put_aside, run_hydra_job
from digits.runs.folder import RunFolder
from digits.runs.job import TrainingJob
from digits.settings import NAME_SETTINGS
from digits.training import train as training

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
    chosen = {"experiment": experiment} if experiment else {}
    overrides = [_to_override(key, value) for key, value in {**chosen, **(settings or {})}.items()]
    try:
        job = _prepare(overrides)
        with _logging_to(job.folder / "train.log"):
            training.train(job)
    except USER_ERRORS as error:
        raise InputError(error_message(error, CONF, "train", overrides)) from None
    except SystemExit:  # Lightning turns KeyboardInterrupt into it
        raise KeyboardInterrupt from None
    metrics = RunFolder(job.folder).metrics()
    assert metrics is not None
    scores = (metrics.val, metrics.test)
    val, test = (Score(int(score["errors"]), int(score["total"])) if score else None for score in scores)
    return Run(job.folder, val, test)


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


def _to_override(key: str, value: Any) -> str:
    """Text is quoted where Hydra's grammar would read something else."""
    if key in NAME_SETTINGS and type(value) is int:
        value = str(value)
    if isinstance(value, str):
        try:
            [parsed] = OverridesParser.create().parse_overrides([f"{key}={value}"])
            is_plain = parsed.value() == value
        except HydraException:
            is_plain = False
        return f"{key}={value if is_plain else QuotedString(value, Quote.double).with_quotes()}"
    if isinstance(value, Path):
        return _to_override(key, str(value))
    if isinstance(value, list | tuple):
        return f"{key}=[{','.join(_to_override('', part)[1:] for part in value)}]"
    if isinstance(value, Mapping):
        parts = (f"{name}:{_to_override('', part)[1:]}" for name, part in value.items())
        return f"{key}={{{','.join(parts)}}}"
    return f"{key}={'null' if value is None else str(value).lower() if isinstance(value, bool) else value}"


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Logs to a file, and to standard output unless the program that calls this package has handlers of its own."""
    logger = logging.getLogger("digits")
    file = logging.FileHandler(path, delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handlers = [file] if logger.hasHandlers() else [file, ConsoleHandler()]
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

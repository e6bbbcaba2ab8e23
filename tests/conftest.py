"""Fixtures that several test files share."""

import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path

# Made digits are too few for two threads: they would only wait for each other. Must be set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from helpers import SMALL, config, frame, made_digits, train_small

from digits.training.train import train

# A shell that starts the tests in the background has them ignore Ctrl-C; the programs that they start must not.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def made_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "train.csv"
    frame(*made_digits(120)).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run that reads the bundled digits well enough."""
    folder = tmp_path_factory.mktemp("trained")
    train(config(*SMALL, "model=fast_cnn", "augment=none", "data.batch_size=64", "trainer.max_epochs=3"), folder)
    return folder


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, made_csv: Path) -> Callable[..., Path]:
    """Trains as `train_small` does, once for each set of overrides; returns the folder, which tests only read."""

    @cache
    def run(*overrides: str) -> Path:
        folder = tmp_path_factory.mktemp("run")
        train_small(folder, made_csv, *overrides)
        return folder

    return run

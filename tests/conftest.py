"""Fixtures that several test files share. The tests do not depend on the machine or on the shell that starts them."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

# Made digits are too few for two threads: they would only wait for each other. Must be set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"
# The tests of GPUs use made ones. Without this line, `trainer=auto` would train on a real one.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# A job of a cluster has variables that Lightning and Hydra's launchers read. SLURM_CONF selects the Slurm of the tests.
CLUSTER_VARIABLES = ("SLURM_", "SUBMITIT_", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "RANK", "WORLD_SIZE", "MASTER_")
OUTPUT_VARIABLES = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "HYDRA_FULL_ERROR")
for name in list(os.environ):
    if name.startswith((*CLUSTER_VARIABLES, *OUTPUT_VARIABLES)) and name != "SLURM_CONF":
        del os.environ[name]

import pytest

from digits.processes import ENDING_SIGNALS

# A shell that starts the tests in the background ignores these signals, and so do `nohup` and the programs that the
# tests start.
for number in ENDING_SIGNALS:
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Spares the garbage collector the objects of all imported libraries: a tenth of the time of the fast tests."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


# The fixtures import PyTorch and Lightning late: the process that starts the workers of the tests needs neither.


@pytest.fixture(scope="session", autouse=True)
def _blank_figures(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Saves one pixel in place of a figure in the fast tests: drawing takes most of the time of a small training.
    `make test-all` draws all figures."""
    from matplotlib.figure import Figure
    from PIL import Image

    if request.config.option.markexpr != "not slow":
        yield Figure.savefig
        return

    def save_pixel(figure: Figure, path: Any, **_: Any) -> None:
        Image.new("L", (1, 1)).save(path, "PNG")

    draw = Figure.savefig
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save_pixel)
        yield draw


@pytest.fixture
def drawn_figures(_blank_figures: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws figures, for fast tests of pictures."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", _blank_figures)


@pytest.fixture(scope="session")
def made_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from helpers import frame, made_digits

    path = tmp_path_factory.mktemp("made") / "train.csv"
    frame(*made_digits(120)).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run that reads the bundled digits well enough."""
    from helpers import SMALL, config

    from digits.runs.job import TrainingJob
    from digits.training.train import train

    folder = tmp_path_factory.mktemp("trained")
    settings = config(*SMALL, "model=fast_cnn", "augment=none", "data.batch_size=64", "trainer.max_epochs=3")
    train(TrainingJob(settings, folder))
    return folder


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, made_csv: Path) -> Callable[..., Path]:
    """Trains as `train_small` does, once for each set of overrides; returns the folder, which tests only read."""
    from helpers import train_small

    @cache
    def run(*overrides: str) -> Path:
        folder = tmp_path_factory.mktemp("run")
        train_small(folder, made_csv, *overrides)
        return folder

    return run

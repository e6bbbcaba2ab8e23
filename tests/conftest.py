"""Made digits, and runs of the real entry point's configuration at a small size."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Made digits are too few for two threads: they would only wait for each other. Must be set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import Tensor

from digits.training import train

# A shell that starts the tests in the background has them ignore Ctrl-C; the programs that they start must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).parent.parent
SMALL = ["trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.max_epochs=2", "data.batch_size=16"]


def config(*overrides: str, program: str = "train", whole: bool = False) -> DictConfig:
    """What `python train.py *overrides` composes, or another program; the `whole` with Hydra's own settings."""
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        return compose(program, list(overrides), return_hydra_config=whole)


def choices(group: str) -> list[str]:
    """What a user may choose in a group of the configuration: all but the parts that the choices share."""
    folder = PROJECT / "conf" / group
    return sorted(path.stem for path in folder.glob("*.yaml") if (group, path.stem) != ("data", "split"))


def made_digits(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images uint8 [count, 28, 28] that a network can learn, labels int64 [count]: each class has its bright row."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    images = torch.randint(0, 60, (count, 28, 28), generator=generator, dtype=torch.uint8)
    images[torch.arange(count), 4 + 2 * labels] += 150
    return images, labels


def frame(images: Tensor, labels: Tensor | None) -> pd.DataFrame:
    """In Kaggle's format."""
    table = pd.DataFrame(images.reshape(-1, 784).numpy(), columns=[f"pixel{k}" for k in range(784)])
    if labels is not None:
        table.insert(0, "label", labels.numpy())
    return table


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


@pytest.fixture
def train_py(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python train.py *arguments` in a folder of the test's own."""
    return partial(run_program, "train.py", folder=tmp_path)


@pytest.fixture
def predict_py(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python predict.py *arguments` in a folder of the test's own."""
    return partial(run_program, "predict.py", folder=tmp_path)


def run_program(program: str, *arguments: str, folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / program), *arguments]
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, **options)

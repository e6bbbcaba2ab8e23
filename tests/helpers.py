"""Made digits, and runs of the real entry points at a small size."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import Tensor

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


def run_program(program: str, *arguments: str, folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / program), *arguments]
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, **options)

"""A training of this project, composed as `python train.py OVERRIDES` composes it."""

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from benchmarks.harness import PROJECT
from digits.cli.hydra_versions import VERSION_BASE
from digits.cli.job import register_resolvers
from digits.runs.job import TrainingJob
from digits.training.train import train


def compose_train(*overrides: str) -> dict[str, Any]:
    register_resolvers()
    with initialize_config_dir(str(PROJECT / "conf"), **VERSION_BASE):
        return OmegaConf.to_container(compose("train", list(overrides)), resolve=True)  # type: ignore[return-value]


def run_training(*overrides: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """Trains in a temporary folder. Returns metrics.json and history.csv."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        train(TrainingJob(compose_train(*overrides), Path(folder)))
        return json.loads((Path(folder) / "metrics.json").read_text()), pd.read_csv(Path(folder) / "history.csv")

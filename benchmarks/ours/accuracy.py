"""Digits itself: a turn is one seed of what `python train.py OVERRIDES` trains and tests. Its seconds are those of the
epochs and of the test."""

import itertools
import json
import logging
import sys
import tempfile
from pathlib import Path

import pandas as pd
from hydra import compose, initialize_config_dir

from benchmarks.contest import PROJECT
from benchmarks.peers.turns import take_turns
from digits.cli.app import app as _resolvers  # noqa: F401
from digits.training.train import train

seeds = itertools.count()


def turn() -> dict[str, float]:
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        config = compose("train", [*sys.argv[1:], f"seed={next(seeds)}"])
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder))
        metrics = json.loads((Path(folder) / "metrics.json").read_text())
        epochs = pd.read_csv(Path(folder) / "history.csv")["seconds"].sum()
    return {"seconds": epochs + metrics["seconds"]["test"], "error": metrics["test"]["error"]}


logging.disable(logging.INFO)
take_turns(turn)

"""Digits itself: what `python train.py OVERRIDES` trains, its one epoch cut to some steps."""

import argparse
import logging
import tempfile
from pathlib import Path

from hydra import compose, initialize_config_dir

from benchmarks.contest import PROJECT
from benchmarks.peers.turns import take_turns
from digits.cli.app import app as _resolvers  # noqa: F401
from digits.training.train import train

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("overrides", nargs="*")
options = parser.parse_args()


def fit(steps: int) -> dict[str, float]:
    overrides = [*options.overrides, f"+trainer.limit_train_batches={steps}", "trainer.max_epochs=1"]
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        config = compose("train", overrides)
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder))
        epoch = (Path(folder) / "history.csv").read_text().splitlines()[1]
    seconds = float(epoch.rpartition(",")[2])
    return {"images/s": steps * 128 / seconds}


logging.disable(logging.INFO)
fit(20)
take_turns(lambda: fit(options.steps))

"""Digits itself: a turn is one seed of what `python train.py OVERRIDES` trains and tests. Its seconds are of the whole
training and the test, reading of the data included."""

import itertools
import json
import logging
import sys
import tempfile
from pathlib import Path

from hydra import compose, initialize_config_dir

from benchmarks.contest import PROJECT
from benchmarks.peers.turns import take_turns
from digits import cli as _resolvers  # noqa: F401
from digits.training import train

seeds = itertools.count()


def turn() -> dict[str, float]:
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        config = compose("train", [*sys.argv[1:], f"seed={next(seeds)}"])
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder))
        metrics = json.loads((Path(folder) / "metrics.json").read_text())
    seconds = metrics["seconds"]
    return {"seconds": seconds["fit"] + seconds["test"], "error": metrics["test"]["error"], "training": seconds["fit"]}


logging.disable(logging.INFO)
take_turns(turn)

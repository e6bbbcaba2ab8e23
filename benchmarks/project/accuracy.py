"""This project: one round trains and tests `python train.py OVERRIDES` with the next seed.

Seconds are the sum of the training epochs and the test."""

import itertools
import sys

from benchmarks.project.composed import run_training
from benchmarks.worker import serve_rounds

seeds = itertools.count()


def measure() -> dict[str, float]:
    metrics, history = run_training(*sys.argv[1:], f"seed={next(seeds)}")
    return {"seconds": history["seconds"].sum() + metrics["seconds"]["test"], "error": metrics["test"]["error"]}


serve_rounds(measure)

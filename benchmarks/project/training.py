"""This project: one round trains `python train.py OVERRIDES` for one epoch of --steps steps."""

import argparse

from benchmarks.project.composed import run_training
from benchmarks.worker import serve_rounds

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("overrides", nargs="*")
options = parser.parse_args()


def measure(steps: int = options.steps) -> dict[str, float]:
    limits = [f"+trainer.limit_train_batches={steps}", "trainer.max_epochs=1"]
    _, history = run_training(*options.overrides, *limits)
    return {"images/s": steps * 128 / history["seconds"][0]}


measure(20)
serve_rounds(measure)

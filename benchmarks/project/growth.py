"""This project: one round trains an epoch, or predicts, at one size: its seconds and the peak memory of the process."""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.project.epoch import build_module, random_data, train_epoch
from benchmarks.worker import measure_seconds, serve_rounds
from digits.devices import default_precision
from digits.models.networks import build_network
from digits.prediction.checkpoint_member import CheckpointMember
from digits.prediction.classifier import Classifier

parser = argparse.ArgumentParser()
parser.add_argument("variable", choices=["images", "batch", "ensemble"])
parser.add_argument("size", type=int)
options = parser.parse_args()

if options.variable == "ensemble":
    precision = default_precision("auto")
    members = []
    for _ in range(options.size):
        members.append(CheckpointMember("kaggle_cnn", build_network("kaggle_cnn"), None, precision=precision))
    classifier = Classifier(members)
    images = np.random.default_rng(0).integers(0, 256, (5000, 28, 28), dtype=np.uint8)
else:
    total, batch_size = (options.size, 128) if options.variable == "images" else (16_384, options.size)
    datamodule = random_data(total, batch_size)
    module = build_module("fast_cnn", "augment=none")


def measure() -> dict[str, float]:
    if options.variable == "ensemble":
        seconds = measure_seconds(lambda: classifier.predict(images))
    else:
        seconds = train_epoch(module, datamodule)
    status = Path("/proc/self/status").read_text()  # Linux; getrusage counts the memory of the parent too
    return {"seconds": seconds, "MB": int(status.partition("VmHWM:")[2].split()[0]) / 1024}


serve_rounds(measure)

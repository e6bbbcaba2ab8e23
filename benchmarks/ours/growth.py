"""Digits itself: what an epoch, or a prediction, costs at one size. A turn gives its seconds and the process's peak
memory in MB."""

import argparse
import time
from pathlib import Path

import torch

from benchmarks.ours.epoch import epoch_seconds, fresh_module, made_data
from benchmarks.peers.turns import take_turns
from digits.devices import default_precision
from digits.models.networks import build_network
from digits.prediction.classifier import Classifier, Member

parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["images", "batch", "ensemble"])
parser.add_argument("size", type=int)
options = parser.parse_args()

if options.what == "ensemble":
    classifier = Classifier([Member("kaggle_cnn", build_network("kaggle_cnn"), None) for _ in range(options.size)])
    classifier.precision = default_precision("auto")
    images = torch.randint(0, 256, (5000, 28, 28), dtype=torch.uint8)
else:
    total, batch = (options.size, 128) if options.what == "images" else (16_384, options.size)
    datamodule = made_data(total, batch)
    module = fresh_module("fast_cnn", "augment=none")


def turn() -> dict[str, float]:
    if options.what == "ensemble":
        began = time.perf_counter()
        classifier.predict(images)
        seconds = time.perf_counter() - began
    else:
        seconds = epoch_seconds(module, datamodule)
    status = Path("/proc/self/status").read_text()  # Linux; getrusage counts the parent's memory too
    return {"seconds": seconds, "MB": int(status.partition("VmHWM:")[2].split()[0]) / 1024}


take_turns(turn)

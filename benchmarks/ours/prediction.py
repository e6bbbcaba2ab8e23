"""Digits itself: a turn classifies single images, or the test digits in batches of --batch, with a checkpoint or an
exported ONNX model."""

import argparse
import time

import numpy as np

from benchmarks.peers.turns import take_turns
from digits.data.idx import read_mnist
from digits.devices import keep_freed_memory
from digits.prediction.classifier import load_classifier

parser = argparse.ArgumentParser()
parser.add_argument("checkpoint", nargs="+")
parser.add_argument("--root", required=True)
parser.add_argument("--batch", type=int)
options = parser.parse_args()
keep_freed_memory()
images = read_mnist(options.root, "t10k", download=True)[0]
classifier = load_classifier(options.checkpoint)


def single_images() -> dict[str, float]:
    seconds = []
    for image in images[:200].split(1):
        began = time.perf_counter()
        classifier.predict(image).argmax()
        seconds.append(time.perf_counter() - began)
    return {"ms": 1000 * float(np.median(seconds))}


def batches() -> dict[str, float]:
    began = time.perf_counter()
    classifier.predict(images, options.batch).argmax(1)
    return {"images/s": len(images) / (time.perf_counter() - began)}


turn = batches if options.batch else single_images
turn()
take_turns(turn)

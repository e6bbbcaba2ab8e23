"""This project: one round predicts single images, or the test set in batches of --batch, with a checkpoint or an ONNX
model."""

import argparse
from statistics import median

from torch import Tensor

from benchmarks.worker import measure_seconds, serve_rounds
from digits.data.mnist_files import read_mnist
from digits.host import keep_freed_memory
from digits.prediction.classifier import load_classifier

parser = argparse.ArgumentParser()
parser.add_argument("checkpoint")
parser.add_argument("--root", required=True)
parser.add_argument("--batch", type=int)
options = parser.parse_args()
keep_freed_memory()
images = read_mnist(options.root, "t10k", download=True)[0]
classifier = load_classifier(options.checkpoint)


def classify(image: Tensor) -> None:
    classifier.predict(image).argmax()


def classify_all() -> None:
    classifier.predict(images, options.batch).argmax(1)


def measure() -> dict[str, float]:
    if options.batch:
        return {"images/s": len(images) / measure_seconds(classify_all)}
    return {"ms": 1000 * median(measure_seconds(classify, image) for image in images[:200].split(1))}


measure()
serve_rounds(measure)

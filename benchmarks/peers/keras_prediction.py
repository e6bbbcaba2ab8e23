"""Keras 3 on TensorFlow: one round predicts single images, or the test set in batches of --batch with `model.predict`.

--save FILE writes an untrained model instead."""

import argparse
from statistics import median

import numpy as np

from benchmarks.peers.idx import load_mnist
from benchmarks.peers.keras_network import kaggle_cnn
from benchmarks.worker import measure_seconds, serve_rounds

parser = argparse.ArgumentParser()
parser.add_argument("--root")
parser.add_argument("--save")
parser.add_argument("--batch", type=int)
options = parser.parse_args()
model = kaggle_cnn()
if options.save:
    model.save(options.save)
    raise SystemExit

images = load_mnist(options.root)[2]


def classify(image: np.ndarray) -> None:
    """Calls the model, as Keras's documentation advises for small inputs instead of predict."""
    np.asarray(model(image[None, ..., None].astype("float32") / 255, training=False)).argmax()


def classify_all() -> None:
    model.predict(images[..., None].astype("float32") / 255, batch_size=options.batch, verbose=0).argmax(1)


def measure() -> dict[str, float]:
    if options.batch:
        return {"images/s": len(images) / measure_seconds(classify_all)}
    return {"ms": 1000 * median(measure_seconds(classify, image) for image in images[:200])}


measure()
serve_rounds(measure)

"""Keras 3 on TensorFlow: `model.predict` with its defaults.

--save FILE writes an untrained model; --batch B takes turns at batches of B, otherwise at single images."""

import argparse
import time

import numpy as np
from idx import load_mnist
from keras_network import kaggle_cnn
from turns import take_turns

parser = argparse.ArgumentParser()
parser.add_argument("--root")
parser.add_argument("--save")
parser.add_argument("--batch", type=int)
options = parser.parse_args()
model = kaggle_cnn()
if options.save:
    model.save(options.save)
    raise SystemExit

images, _ = load_mnist(options.root, "t10k")


def single_images() -> dict[str, float]:
    """A call of the model on one image: what Keras's documentation advises for small inputs, in place of predict."""
    seconds = []
    for image in images[:200]:
        began = time.perf_counter()
        np.asarray(model(image[None, ..., None].astype("float32") / 255, training=False)).argmax()
        seconds.append(time.perf_counter() - began)
    return {"ms": 1000 * float(np.median(seconds))}


def batches() -> dict[str, float]:
    began = time.perf_counter()
    model.predict(images[..., None].astype("float32") / 255, batch_size=options.batch, verbose=0).argmax(1)
    return {"images/s": len(images) / (time.perf_counter() - began)}


turn = batches if options.batch else single_images
turn()
take_turns(turn)

"""Keras 3 on TensorFlow: `model.fit`; augmentation by preprocessing layers mapped over a tf.data pipeline."""

import argparse
import time

import keras
import tensorflow as tf
from idx import load_mnist
from keras import layers
from keras_network import kaggle_cnn
from turns import take_turns

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--augment", action="store_true")
options = parser.parse_args()

images, digits = load_mnist(options.root, "train")
x = images[..., None].astype("float32") / 255
y = keras.utils.to_categorical(digits, 10)
model = kaggle_cnn()

if options.augment:
    augment = keras.Sequential(
        [
            layers.RandomRotation(10 / 360, fill_mode="constant"),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.RandomZoom(0.1, fill_mode="constant"),
        ]
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((x, y))
        .shuffle(len(x))
        .batch(128)
        .map(lambda pixels, labels: (augment(pixels, training=True), labels), num_parallel_calls=tf.data.AUTOTUNE)
        .repeat()
        .prefetch(tf.data.AUTOTUNE)
    )


def fit(steps: int) -> None:
    if options.augment:
        model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0)
    else:
        model.fit(x[: steps * 128], y[: steps * 128], batch_size=128, epochs=1, verbose=0)


def turn() -> dict[str, float]:
    began = time.perf_counter()
    fit(options.steps)
    return {"images/s": options.steps * 128 / (time.perf_counter() - began)}


fit(20)
take_turns(turn)

"""Keras 3 on TensorFlow: `model.fit`; augmentation by preprocessing layers mapped over a tf.data pipeline."""

import keras
import tensorflow as tf
from keras import layers

from benchmarks.peers.idx import load_mnist
from benchmarks.peers.keras_network import kaggle_cnn
from benchmarks.peers.options import options
from benchmarks.worker import measure_seconds, serve_rounds

images, digits, _, _ = load_mnist(options.root)
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


def train(steps: int) -> None:
    if options.augment:
        model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0)
    else:
        model.fit(x[: steps * 128], y[: steps * 128], batch_size=128, epochs=1, verbose=0)


train(20)
serve_rounds(lambda: {"images/s": options.steps * 128 / measure_seconds(lambda: train(options.steps))})

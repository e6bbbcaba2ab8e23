"""Keras's "Simple MNIST convnet" (keras.io/examples/vision/mnist_convnet): one round trains 15 epochs from fresh
weights. The evaluation on the test set after each epoch is not timed."""

import argparse

import keras
from keras import layers

from benchmarks.peers.idx import load_mnist
from benchmarks.worker import measure_seconds, serve_rounds

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("--epochs", type=int, default=15)
options = parser.parse_args()
train_images, train_labels, test_images, test_labels = load_mnist(options.root)
x_train, x_test = (images[..., None].astype("float32") / 255 for images in (train_images, test_images))
y_train, y_test = (keras.utils.to_categorical(labels, 10) for labels in (train_labels, test_labels))


def measure() -> dict[str, float]:
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    seconds, course = 0.0, {}
    for epoch in range(1, options.epochs + 1):
        seconds += measure_seconds(lambda: model.fit(x_train, y_train, batch_size=128, epochs=1, verbose=0))
        error = 1 - model.evaluate(x_test, y_test, verbose=0)[1]
        course |= {f"error {epoch}": error, f"seconds {epoch}": seconds}
    return {"seconds": seconds, "error": error, **course}


serve_rounds(measure)

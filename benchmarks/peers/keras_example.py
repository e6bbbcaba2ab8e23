"""Keras's "Simple MNIST convnet" (keras.io/examples/vision/mnist_convnet): a turn trains 15 epochs from fresh weights
and evaluates on the test digits after each, which is not counted."""

import argparse
import time

import keras
from idx import load_mnist
from keras import layers
from turns import take_turns

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("--epochs", type=int, default=15)
options = parser.parse_args()
(x_train, y_train), (x_test, y_test) = (
    (images[..., None].astype("float32") / 255, keras.utils.to_categorical(labels, 10))
    for images, labels in (load_mnist(options.root, part) for part in ("train", "t10k"))
)


def turn() -> dict[str, float]:
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
    seconds, measured = 0.0, {}
    for epoch in range(1, options.epochs + 1):
        began = time.perf_counter()
        model.fit(x_train, y_train, batch_size=128, epochs=1, verbose=0)
        seconds += time.perf_counter() - began
        accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
        measured |= {f"error {epoch}": 1 - accuracy, f"seconds {epoch}": seconds}
    return {"seconds": seconds, "error": measured[f"error {epoch}"], **measured}


take_turns(turn)

"""scikit-learn on raw pixels: what a beginner on Kaggle starts with. A turn fits all 60,000 digits and predicts the
10,000 of the test."""

import argparse
import time

from idx import load_mnist
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from turns import take_turns

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("model", choices=["svm", "knn"])
options = parser.parse_args()
(x_train, y_train), (x_test, y_test) = (
    (images.reshape(-1, 784) / 255, labels)
    for images, labels in (load_mnist(options.root, part) for part in ("train", "t10k"))
)


def turn() -> dict[str, float]:
    model = SVC() if options.model == "svm" else KNeighborsClassifier()
    began = time.perf_counter()
    model.fit(x_train, y_train)
    error = float((model.predict(x_test) != y_test).mean())
    return {"seconds": time.perf_counter() - began, "error": error}


take_turns(turn)

"""scikit-learn on raw pixels, a usual start on Kaggle. One round fits the 60,000 training digits and predicts the
10,000 test digits."""

import argparse
import time

from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from benchmarks.peers.idx import load_mnist
from benchmarks.worker import serve_rounds

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("model", choices=["svm", "knn"])
options = parser.parse_args()
train_images, y_train, test_images, y_test = load_mnist(options.root)
x_train, x_test = (images.reshape(-1, 784) / 255 for images in (train_images, test_images))


def measure() -> dict[str, float]:
    model = SVC() if options.model == "svm" else KNeighborsClassifier()
    started_at = time.perf_counter()
    model.fit(x_train, y_train)
    error = float((model.predict(x_test) != y_test).mean())
    return {"seconds": time.perf_counter() - started_at, "error": error}


serve_rounds(measure)

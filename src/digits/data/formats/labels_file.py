"""The file of labels beside a file of images."""

from collections.abc import Sequence
from pathlib import Path

# Parts of the name of a file of images, and those of its labels.
LABELS_OF_IMAGES = (
    ("images-idx3", "labels-idx1"),  # MNIST
    ("images.idx3", "labels.idx1"),  # as Kaggle and Windows name the same files
    ("images-idx3", "labels.idx1"),
    ("images.idx3", "labels-idx1"),
    ("images-idx3-ubyte", "labels-idx2-int"),  # QMNIST
    ("images", "labels"),
    ("X", "y"),
    ("X", "Y"),
    ("x", "y"),
    ("data", "labels"),
    ("data", "target"),
)


def find_labels_file(path: Path, suffixes: Sequence[str] = ("",)) -> Path | None:
    """The file of labels that belongs to a file of images by its name: y_test.npy beside X_test.npy. `suffixes` of
    packed files, such as .gz, may be added or missing."""
    name = path.name
    own_suffix = max((suffix for suffix in suffixes if name.endswith(suffix)), key=len)
    stem = name.removesuffix(own_suffix)
    for of_images, of_labels in LABELS_OF_IMAGES:
        if of_images not in stem:
            continue
        for suffix in (own_suffix, *suffixes):
            candidate = path.with_name(stem.replace(of_images, of_labels) + suffix)
            if candidate.is_file():
                return candidate
    return None

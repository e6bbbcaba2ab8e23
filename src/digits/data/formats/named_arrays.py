"""Files with several named arrays: which of them are images, which labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from digits.data.formats.arrays import Array
from digits.data.formats.digit_file import NamedArray
from digits.errors import InputError


@dataclass(frozen=True)
class Names:
    """Names of an array of images and of its labels, in lower case."""

    images: str
    labels: Sequence[str]


TEST_LABELS = ("y_test", "test_labels", "test_label", "testy", "test_y", "ytest")
TRAIN_LABELS = ("y_train", "train_labels", "train_label", "trainy", "train_y", "ytrain")
TEST_NAMES = (
    Names("x_test", TEST_LABELS),  # Keras
    Names("test_images", TEST_LABELS),  # MedMNIST
    Names("testx", TEST_LABELS),
    Names("test_x", TEST_LABELS),
    Names("xtest", TEST_LABELS),
)
TRAIN_NAMES = (
    Names("x_train", TRAIN_LABELS),
    Names("train_images", TRAIN_LABELS),
    Names("trainx", TRAIN_LABELS),
    Names("train_x", TRAIN_LABELS),
    Names("xtrain", TRAIN_LABELS),
)
SINGLE_NAMES = (
    Names("x", ("y", "labels", "label")),
    Names("images", ("labels", "label", "targets", "target", "y")),
    Names("image", ("label", "labels")),
    Names("data", ("label", "labels", "target", "targets", "y")),  # mldata's mnist-original
    Names("arr_0", ("arr_1",)),  # NumPy's names of unnamed arrays
)


def choose_arrays(arrays: Mapping[str, Array], where: str, part: str) -> tuple[NamedArray, NamedArray | None]:
    """The images and labels of the `part` train or test. A file with one set of digits is both.

    Raises InputError, which begins with `where`, if no array has a known name."""
    by_lower_name = {name.lower(): name for name in arrays}
    own, other = (TRAIN_NAMES, TEST_NAMES) if part == "train" else (TEST_NAMES, TRAIN_NAMES)
    for names in (*own, *SINGLE_NAMES, *other):
        if names.images in by_lower_name:
            return _pair(arrays, by_lower_name, names)
    if len(arrays) == 1:
        [(name, values)] = arrays.items()
        return NamedArray(name, values), None
    held = ", ".join(f"{name} {list(values.shape)}" for name, values in arrays.items())
    raise InputError(f"{where}: no array named x_test, x_train, X, images or data; it holds {held or 'no arrays'}")


def has_part(array_names: Iterable[str], part: str) -> bool:
    """Whether the file holds a separate set of digits for this part."""
    names = TRAIN_NAMES if part == "train" else TEST_NAMES
    lower_names = {name.lower() for name in array_names}
    return any(one.images in lower_names for one in names)


def _pair(
    arrays: Mapping[str, Array], by_lower_name: Mapping[str, str], names: Names
) -> tuple[NamedArray, NamedArray | None]:
    images_name = by_lower_name[names.images]
    images = NamedArray(images_name, arrays[images_name])
    for candidate in names.labels:
        if candidate in by_lower_name:
            labels_name = by_lower_name[candidate]
            return images, NamedArray(labels_name, arrays[labels_name])
    return images, None

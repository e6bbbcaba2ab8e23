"""`digits.read`: one picture in any form that Python has for it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import PROJECT
from PIL import Image

import digits
from digits.data.sources import sample
from digits.errors import InputError

PHOTO = PROJECT / "docs" / "photo.jpg"  # a 7
IMAGES, LABELS = (tensor.numpy() for tensor in sample().test or ())


@pytest.mark.parametrize("form", [
    lambda path: path,
    str,
    Path.read_bytes,
    lambda path: io.BytesIO(path.read_bytes()),
    Image.open,
    lambda path: np.asarray(Image.open(path)),
    lambda path: np.asarray(Image.open(path).convert("RGBA")),
    lambda path: np.asarray(Image.open(path).convert("L"))[:, :, None],
    lambda path: np.asarray(Image.open(path).convert("L")) / 255,
    lambda path: np.asarray(Image.open(path).convert("L"), dtype=np.uint16) * 257,
], ids=["Path", "str", "bytes", "file", "Pillow", "RGB", "RGBA", "gray", "float", "uint16"])  # fmt: skip
def test_every_form_of_a_picture_is_read(form: Callable[[Path], Any]) -> None:
    reading = digits.read(form(PHOTO))
    assert reading.label == 7
    assert reading.confidence > 0.9


def test_reading_has_the_image_and_its_probabilities() -> None:
    reading = digits.read(PHOTO)
    assert (reading.image.shape, reading.image.dtype) == ((28, 28), np.uint8)
    assert (reading.probabilities.shape, reading.probabilities.dtype) == ((10,), np.float32)
    assert reading.confidence == reading.probabilities[reading.label] == reading.probabilities.max()
    assert np.array_equal(digits.load_classifier().predict(reading.image[None])[0], reading.probabilities)
    assert reading.description


@pytest.mark.parametrize("convert", [
    lambda image: image,
    lambda image: 255 - image,
    lambda image: image / 255,
    lambda image: image > 127,
    lambda image: (image > 127).astype(np.uint8),
], ids=["MNIST", "inverted", "0 to 1", "bool", "0 or 1"])  # fmt: skip
def test_small_arrays_are_read(convert: Callable[[np.ndarray], np.ndarray]) -> None:
    labels = [digits.read(convert(image)).label for image in IMAGES[:20]]
    assert sum(np.array(labels) != LABELS[:20]) <= 1


def test_a_classifier_reads_with_its_own_network(trained: Path) -> None:
    classifier = digits.load_classifier(trained)
    reading = classifier.read(PHOTO)
    assert np.array_equal(reading.image, digits.read(PHOTO).image)
    assert np.array_equal(reading.probabilities, classifier.predict(reading.image[None])[0])


def two_digits() -> np.ndarray:
    return 255 - np.pad(np.hstack([np.kron(IMAGES[index], np.ones((4, 4), np.uint8)) for index in (3, 30)]), 20)


@pytest.mark.parametrize(("picture", "message"), [
    ("nowhere.png", "nowhere.png: no such file"),
    (b"not a picture", "the picture: cannot be decoded as PNG"),
    (np.full((50, 50), 255, np.uint8), "the picture: is blank"),
    (np.zeros((50, 50)), "the picture: is blank"),
    (two_digits(), r"the picture: seems to hold 2 digits; cut one out$"),
    (Image.new("L", (4, 4)), "the picture: is 4×4; at least 8×8 pixels"),
    (np.zeros((2, 3, 28, 28)), r"an array float64 \[2, 3, 28, 28\]; numbers \[H, W\] are expected"),
    (np.zeros((28, 0)), r"an array float64 \[28, 0\]"),
    (np.zeros((28, 28), str), r"an array <U1 \[28, 28\]"),
    (np.zeros((28, 28, 3)), r"an array float64 \[28, 28, 3\]; .* uint8 \[H, W, 3\]"),
    (io.StringIO("text"), "the picture: a file in text mode; open it with the mode 'rb'"),
], ids=[
    "missing", "bytes", "white", "black", "two", "tiny", "4-D", "empty", "text", "float RGB", "text file",
])  # fmt: skip
def test_other_pictures_are_refused_in_one_line(picture: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        digits.read(picture)


def test_object_of_another_type_is_refused() -> None:
    with pytest.raises(InputError, match="an object of type int; a path, bytes, an open file"):
        digits.read(7)  # type: ignore[arg-type]

"""`digits.read`: one picture in any form that Python has for it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import PROJECT
from PIL import Image, ImageDraw

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


def page(*rows: list[int], side: int = 84) -> np.ndarray:
    """Test digits in rows and columns, dark on white."""
    scale = np.ones((side // 28, side // 28), np.uint8)
    lines = [np.hstack([np.pad(np.kron(IMAGES[index], scale), 8) for index in row]) for row in rows]
    width = max(line.shape[1] for line in lines)
    return 255 - np.pad(np.vstack([np.pad(line, ((0, 0), (0, width - line.shape[1]))) for line in lines]), 30)


ROWS = ([0, 1, 2, 3, 4], [10, 11, 12], [20, 21, 22, 23])


def test_all_digits_are_read_line_by_line() -> None:
    readings = digits.read_all(page(*ROWS))
    expected = [index for row in ROWS for index in row]
    assert [reading.line for reading in readings] == [1] * 5 + [2] * 3 + [3] * 4
    assert (np.array([reading.label for reading in readings]) == LABELS[expected]).mean() > 0.9


def test_each_box_is_around_its_digit() -> None:
    picture = page(*ROWS)
    readings = digits.read_all(picture)
    for number, reading in enumerate(readings[:5]):
        left, top, right, bottom = reading.box
        assert 30 + 100 * number < left < right < 30 + 100 * (number + 1)
        assert 30 < top < bottom < 130
        assert digits.read_all(picture[top - 8 : bottom + 8, left - 8 : right + 8])[0].label == reading.label
    inked = picture < 128
    for left, top, right, bottom in [reading.box for reading in readings]:
        inked[top : bottom + 1, left : right + 1] = False
    assert inked.sum() < 0.01 * (picture < 128).sum()


def test_a_single_digit_is_read_as_by_read() -> None:
    [reading] = digits.read_all(PHOTO)
    assert np.array_equal(reading.image, digits.read(PHOTO).image)
    left, top, right, bottom = reading.box
    assert digits.read(np.asarray(Image.open(PHOTO))[top - 20 : bottom + 20, left - 20 : right + 20]).label == 7


def test_box_is_in_pixels_of_the_upright_picture(tmp_path: Path) -> None:
    upright = Image.fromarray(page(*ROWS)).resize((3000, 2200))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90° clockwise to display
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "rotated.jpg", exif=exif)
    boxes = np.array([reading.box for reading in digits.read_all(tmp_path / "rotated.jpg")])
    expected = np.array([reading.box for reading in digits.read_all(upright)])
    assert boxes.shape == expected.shape == (12, 4)
    assert np.abs(boxes - expected).max() < 30
    assert boxes[:, 2].max() > 1500


@pytest.mark.parametrize("picture", [
    np.full((200, 200), 255, np.uint8),
    np.random.default_rng(0).integers(180, 220, (300, 300)).astype(np.uint8),
], ids=["white", "noise"])  # fmt: skip
def test_picture_without_a_digit_has_nothing_to_read(picture: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"the picture: nothing like a digit found$"):
        digits.read_all(picture)


def test_text_is_not_read_as_digits() -> None:
    text = Image.new("L", (900, 300), 240)
    lines = "the quick brown fox\njumps over a lazy dog\nwith my back text"
    ImageDraw.Draw(text).text((30, 30), lines, fill=30, font_size=64)
    with pytest.raises(InputError, match="nothing like a digit found"):
        digits.read_all(text)

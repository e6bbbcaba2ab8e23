"""Arrays of any usual shape and range are read as MNIST has them, bit by bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from digits.data.formats.arrays import (
    FULL_RANGE,
    Array,
    ValueRange,
    find_label_end,
    find_layout,
    find_range,
    read_labels,
)
from digits.data.formats.digit_file import InputFile, NamedArray, convert_values, open_arrays
from digits.errors import InputError

SHAPES = [
    lambda images: images,
    lambda images: images.reshape(len(images), -1),
    lambda images: images[..., None],
    lambda images: images[:, None],
    lambda images: images.reshape(len(images), -1).T,
    lambda images: np.moveaxis(images, 0, 2),
]


@pytest.fixture
def images() -> Array:
    generator = torch.Generator().manual_seed(0)
    made = torch.randint(0, 256, (30, 28, 28), generator=generator, dtype=torch.uint8).numpy()
    made[:, 0, :2] = 0, 255  # the whole range
    return made


@pytest.mark.parametrize("shape", SHAPES, ids=["NHW", "N(HW)", "NHWC", "NCHW", "(HW)N", "HWN"])
def test_every_usual_shape_is_read(images: Array, shape: Any) -> None:
    array = shape(images)
    assert np.array_equal(find_layout(array.shape, "a.npy").images(array), images)


def test_single_image_is_read(images: Array) -> None:
    for single in (images[0], images[0].ravel()):
        layout = find_layout(single.shape, "a.npy")
        assert np.array_equal(layout.images(single), images[:1])


@pytest.mark.parametrize(("shape", "message"), [
    ((5, 28, 28, 3), r"color images \[5, 28, 28, 3\]"), ((5, 3, 28, 28), "color images"),
    ((5, 29, 29), "images of 29×29"), ((5, 900), "seems to hold images of 30×30"), ((0, 28, 28), "no images"),
    ((5, 10), r"images \[N, 28, 28\]"), ((), r"images \[N, 28, 28\]"),
])  # fmt: skip
def test_other_shapes_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"^a.npy: .*{message}"):
        find_layout(shape, "a.npy")


@pytest.mark.parametrize(("values", "tolerance"), [
    (lambda images: images.astype(np.float64) / 255, 0), (lambda images: images.astype(np.float32) / 255, 0),
    (lambda images: images.astype(np.float64), 0), (lambda images: images.astype(np.int64), 0),
    (lambda images: images.astype(">u2") * 257, 0), (lambda images: images / 127.5 - 1, 0),
    (lambda images: (images / 255 - 0.1307) / 0.3081, 1), (lambda images: images / 2.55, 1),
    (lambda images: np.round(images / 255 * 16), 8),
])  # fmt: skip
def test_every_usual_range_is_read(images: Array, values: Any, tolerance: int) -> None:
    array = values(images)
    read = find_range(array, len(array), "a.npy").to_uint8(array)
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - images).max() <= tolerance


def test_two_tones_are_black_and_white(images: Array) -> None:
    for tones in (images > 127, (images > 127).astype(np.uint8)):
        read = find_range(tones, len(tones), "a.npy").to_uint8(tones)
        assert np.array_equal(read, np.where(images > 127, 255, 0))


def test_bytes_are_not_copied(images: Array) -> None:
    assert find_range(images, len(images), "a.npy") == FULL_RANGE
    assert FULL_RANGE.to_uint8(images) is images


def test_few_faint_images_have_the_full_range(images: Array) -> None:
    faint = (images[:5] / 2.55).round().astype(np.uint8)
    assert find_range(faint, len(faint), "a.npy") == FULL_RANGE


@pytest.mark.parametrize(("values", "message"), [
    ([0.5, np.nan], "not a number"), ([0, np.inf], "infinite"), ([-3.0, 9.0], "from -3 to 9"), ([0, 700], "up to 700"),
    (["a"], "type <U1"), ([0j], "type complex"),
])  # fmt: skip
def test_other_values_are_refused(values: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^a.npy: .*{message}"):
        find_range(np.array(values), 1, "a.npy")


def test_value_outside_of_the_range_of_the_first_images_is_refused() -> None:
    images = np.full((3, 28, 28), 0.5)
    for value in (7, np.nan):
        images[1, 5, 6] = value
        message = rf"^a\.npy: holds the value {value} at \[8, 5, 6\], but its first images range from 0 to 1$"
        with pytest.raises(InputError, match=message):
            convert_values(images, ValueRange(0, 1), 7, "a.npy")


@pytest.mark.parametrize("tones", [True, False], ids=["two tones", "fractions"])
def test_stray_value_is_located(images: Array, tones: bool) -> None:
    values = (images > 127).astype(np.uint8) if tones else images / 255
    values[2, 3, 4] = 255
    message = r"^a\.npy: holds the value 255 at \[2, 3, 4\], but nearly all others are from 0 to 1; correct it$"
    with pytest.raises(InputError, match=message):
        find_range(values, len(values), "a.npy")


def test_faint_image_has_no_stray_values() -> None:
    """Its background is 1, and its ink covers 20 pixels."""
    image = np.ones((1, 28, 28), np.uint8)
    image[0, 10, :20] = 255
    assert find_range(image, 1, "a.npy") == FULL_RANGE


@pytest.mark.parametrize("labels", [
    np.array([3, 0, 9]), np.array([[3], [0], [9]]), np.array([[3.0, 0.0, 9.0]]), np.eye(10)[[3, 0, 9]],
    np.eye(10)[[3, 0, 9]].T, np.array([3, 0, 9], np.uint8),
])  # fmt: skip
def test_every_usual_form_of_labels_is_read(labels: Array) -> None:
    read = read_labels(labels, 3, "y")
    assert read.tolist() == [3, 0, 9]
    assert read.dtype == np.int64


def test_ten_is_zero_where_there_is_no_zero() -> None:
    assert read_labels(np.array([10, 1, 9]), 3, "y").tolist() == [0, 1, 9]


@pytest.mark.parametrize(("labels", "message"), [
    (np.array([1, 2]), r"labels \[2\] for 3 images"), (np.array([1, 2, 11]), "label 11 is not a digit"),
    (np.array([0, 1, 10]), "label 10 is not a digit"), (np.array([0.5, 1, 2]), "label 0.5 is not a digit"),
    (np.ones((3, 10)), "one 1 and nine 0"), (np.array(["a", "b", "c"]), "labels of the type"),
])  # fmt: skip
def test_other_labels_are_refused(labels: Array, message: str) -> None:
    with pytest.raises(InputError, match=f"^y: .*{message}"):
        read_labels(labels, 3, "y")


@pytest.mark.parametrize("shape", [(28, 28, 3), (32, 32, 4)])
def test_one_color_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"^a: color images .*; save their gray values"):
        find_layout(shape, "a")


def test_images_with_a_channel_along_the_last_axis_are_read() -> None:
    """MATLAB's [28, 28, 1, N]."""
    images = np.arange(2 * 784).reshape(2, 28, 28)
    array = images.transpose(1, 2, 0)[:, :, None]
    layout = find_layout(array.shape, "a")
    assert np.array_equal(layout.images(array), images)


@pytest.mark.parametrize("shape", [(200,), (200, 1), (200, 10)])
def test_labels_in_place_of_images_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="seems to hold labels"):
        find_layout(shape, "a")


def test_labels_may_be_texts() -> None:
    """As OpenML has them."""
    assert read_labels(np.array(["7", "0"], object), 2, "a").tolist() == [7, 0]
    with pytest.raises(InputError, match="labels of the type"):
        read_labels(np.array(["7", "x"]), 2, "a")


@pytest.mark.filterwarnings("error")
def test_missing_labels_are_named() -> None:
    with pytest.raises(InputError, match="^a: a label is missing"):
        read_labels(np.array([1, np.nan]), 2, "a")


@pytest.mark.parametrize("label_first", [True, False])
def test_table_of_labels_and_pixels_is_split(label_first: bool) -> None:
    pixels = np.zeros((30, 784), np.uint8)
    pixels[:, 300:400] = 200
    labels = np.arange(30) % 10
    columns = [labels, pixels] if label_first else [pixels, labels]
    opened = open_arrays(InputFile(Path("a.mat"), "a.mat"), NamedArray("D", np.column_stack(columns)), None, 8)
    chunks = list(opened.chunks)
    assert np.array_equal(np.concatenate([chunk.images for chunk in chunks]), pixels.reshape(-1, 28, 28))
    assert np.concatenate([chunk.labels for chunk in chunks]).tolist() == labels.tolist()
    assert f"labels the {'first' if label_first else 'last'} column" in opened.description


@pytest.mark.parametrize(("firsts", "lasts", "end"), [
    ([5], [0], "first"), ([0], [7], "last"), ([0, 0], [0, 0], None), ([0, 0, 0], [0, 0, 1], "last"),
    ([0, 1, 2, 3], [0, 0, 0, 0], "first"), ([1, 2], [0, 1], "first"), ([0, 1], [0, 128], "first"),
    ([0, 0.5], [0, 0], "last"), ([0, np.nan], [0, 0], "last"),
])  # fmt: skip
def test_label_is_at_the_end_that_varies(firsts: list[float], lasts: list[float], end: str | None) -> None:
    assert find_label_end(np.array(firsts), np.array(lasts)) == end

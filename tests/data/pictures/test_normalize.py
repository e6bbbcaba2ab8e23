"""Any picture of one digit becomes a digit in MNIST's format."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers import hypotheses, slow
from PIL import Image

from digits.data.pictures.choose import choose
from digits.data.pictures.masks import Array
from digits.data.sources import sample
from digits.errors import InputError
from digits.prediction.classifier import load_classifier
from digits.runs.onnx_model import predict_with_bundled
from tools.picture_scenes import shaded

DIGITS, LABELS = (tensor.numpy()[:60] for tensor in sample().test)


def normalize_picture(picture: Image.Image) -> Array:
    """The digit of the most convincing hypothesis."""
    [chosen] = choose([hypotheses(picture)], predict_with_bundled)
    if chosen is None:
        raise InputError("nothing like a digit found")
    digit: Array = chosen.digits[0]
    return digit


def normalize(values: Array) -> Array:
    return normalize_picture(Image.fromarray(values.clip(0, 255).astype(np.uint8)))


def enlarge(digit: Array, size: int = 200) -> Array:
    """The ink of a digit in [0, 1], float32 [size, size]."""
    return np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32) / 255


def on_paper(ink: Array, brightness: float = 220, contrast: float = 0.8) -> Array:
    """Dark ink, in [0, 1], on light paper."""
    return brightness * (1 - contrast * ink)


def difference(one: Array, other: Array) -> float:
    """The absolute difference of two digits relative to the ink of one; a shift by one pixel does not count."""
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return min(float(np.abs(one - np.roll(other, shift, (0, 1)).astype(float)).sum()) for shift in shifts) / one.sum()


@pytest.mark.parametrize("inverted", [False, True])
def test_mnist_digit_is_unchanged(inverted: bool) -> None:
    for digit in DIGITS:
        assert np.array_equal(normalize(255 - digit if inverted else digit), digit)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_a_digit_of_few_gray_levels_gets_soft_edges(levels: int) -> None:
    """Hard edges are not MNIST's format."""
    for digit in DIGITS[:12]:
        hard = np.round(digit / 255 * (levels - 1)) / (levels - 1) * 255
        found = normalize(hard)
        assert len(np.unique(found)) > 16
        assert difference(digit, found) < 0.8


@pytest.fixture(scope="module")
def shaded_digits() -> Array:
    generator = np.random.default_rng(0)
    return np.stack([normalize_picture(shaded([digit], generator)) for digit in DIGITS])


@pytest.mark.slow
def test_result_has_mnist_format(shaded_digits: Array) -> None:
    assert (shaded_digits.shape, shaded_digits.dtype) == ((60, 28, 28), np.uint8)
    for pixels in shaded_digits:
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        for axis in (0, 1):
            assert abs((pixels.sum(1 - axis) * np.arange(28)).sum() / pixels.sum() - 14) <= 0.6


@pytest.mark.slow
def test_shaded_pictures_are_classified_like_their_digits(trained: Path, shaded_digits: Array) -> None:
    classifier = load_classifier(trained, precision="32-true")
    digit_error, picture_error = (
        (classifier.predict(images).argmax(1) != LABELS).mean() for images in (DIGITS, shaded_digits)
    )
    assert picture_error <= digit_error + 0.05


def hard_shadow(values: Array) -> None:
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    values[rows + 0.5 * columns > 0.75 * len(values)] *= 0.55


def ruled_lines(values: Array) -> None:
    values[np.arange(len(values)) % 45 // 2 == 10] *= 0.8


def table_edge(values: Array) -> None:
    values[:, :14] = 60


def specks(values: Array) -> None:
    for row, column in ((10, 10), (30, 180), (185, 25)):
        values[row : row + 3, column : column + 3] = 40


@pytest.mark.parametrize("disturb", [hard_shadow, ruled_lines, table_edge, specks])
def test_surroundings_of_the_digit_are_not_ink(disturb: Callable[[Array], None]) -> None:
    for digit in DIGITS[:12]:
        values = on_paper(np.pad(enlarge(digit, 140), 30))
        plain = normalize(values)
        disturb(values)
        assert difference(plain, normalize(values)) < 0.5


def faint(ink: Array) -> Array:
    return on_paper(ink, contrast=0.15)


def small(ink: Array) -> Array:
    return on_paper(np.pad(ink[::3, ::3], ((0, 400), (400, 0))))


def at_top_left_border(ink: Array) -> Array:
    return on_paper(ink[(ink > 0.3).any(1).argmax() :, (ink > 0.3).any(0).argmax() :])


@pytest.mark.parametrize(("change", "limit"), [(faint, 0.4), slow(small, 0.5), (at_top_left_border, 0.4)])
def test_faint_small_and_cropped_digits_are_found(change: Callable[[Array], Array], limit: float) -> None:
    for digit in DIGITS[:12]:
        plain = normalize(on_paper(enlarge(digit)))
        assert difference(plain, digit) < 0.4
        assert difference(plain, normalize(change(enlarge(digit)))) < limit


@pytest.mark.parametrize("half_width", [1.5, 25])
def test_strokes_have_a_width_of_mnist(half_width: float) -> None:
    radius = np.hypot(*np.mgrid[-150:150, -150:150])
    pixels = normalize(on_paper((np.abs(radius - 100) < half_width).astype(np.float32)))
    assert 1.4 < (pixels[14, :14] / 255).sum() < 5.5  # across the stroke once
    assert pixels.max() > 200


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16", "F", "YCbCr"])
def test_all_modes_are_read(mode: str) -> None:
    gray = Image.fromarray((255 - 255 * enlarge(DIGITS[0])).astype(np.uint8))
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 200)
    picture = deep if mode == "I;16" else gray.convert("RGB").convert(mode)
    assert difference(normalize_picture(gray), normalize_picture(picture)) < 0.2


@pytest.mark.parametrize("color", [(255, 240, 40), (255, 190, 200), (150, 230, 255)])
def test_ink_as_bright_as_its_paper_is_found_by_its_color(color: tuple[int, int, int]) -> None:
    ink = enlarge(DIGITS[0])
    noise = np.random.default_rng(0).normal(scale=3, size=(200, 200, 3))
    values = 250 + (np.array(color) - 250) * ink[..., None] + noise
    assert difference(normalize(on_paper(ink)), normalize(values)) < 0.4


@pytest.mark.parametrize("brightness", [0, 255])
def test_ink_on_a_transparent_background_is_found(brightness: int) -> None:
    ink = enlarge(DIGITS[0])
    values = np.dstack([*3 * [np.full_like(ink, brightness)], 255 * ink])
    assert difference(normalize(on_paper(ink)), normalize(values)) < 0.1


def test_random_pictures_raise_only_input_errors() -> None:
    generator = np.random.default_rng(0)
    for index in range(60):
        height, width = generator.integers(8, 60, 2)
        kinds = (
            generator.integers(0, 256, (height, width)),
            generator.integers(250, 256, (height, width)),
            255 * (generator.random((height, width)) < generator.random()),
            np.where(np.arange(width) < width // 2, 235, 255) * np.ones((height, 1)),
        )
        with suppress(InputError):
            assert normalize(kinds[index % 4]).shape == (28, 28)


@pytest.mark.parametrize(("values", "message"), [
    (np.zeros((200, 200)), "blank"),
    (np.full((150, 200, 3), (250, 250, 245)), "blank"),
    (np.zeros((90, 90, 4)), "blank"),
    (np.random.default_rng(0).normal(200, 8, (300, 400)), "blank"),
    (np.random.default_rng(0).normal(200, 8, (300, 400, 3)), "blank"),
    (np.linspace(60, 220, 300)[:, None] * np.ones((1, 200)), "blank"),
    (np.full((1, 1), 255), "1×1"),
    (np.full((7, 200), 255), "200×7"),
])  # fmt: skip
def test_blank_and_tiny_pictures_are_refused(values: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        normalize(values)

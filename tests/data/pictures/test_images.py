"""Whatever the picture, the network sees what MNIST would have shown."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.data.pictures.decode import read_picture
from digits.data.pictures.images import Array, normalize_picture
from digits.data.sources import sample
from digits.errors import InputError
from digits.prediction.classifier import load_classifier
from tools.picture_scenes import shaded

TEST = sample().test
assert TEST is not None
DIGITS, LABELS = TEST.images.numpy()[:60], TEST.labels.numpy()[:60]


def paper(ink: Array, brightness: float = 220, contrast: float = 0.8) -> Array:
    """Dark ink of a strength in [0, 1] on paper, float [H, W]."""
    return brightness * (1 - contrast * ink)


def enlarged(digit: Array, size: int) -> Array:
    """The ink of a digit at this size, in [0, 1]."""
    picture = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.float32) / 255


def grey(values: Array) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def difference(one: Array, other: Array) -> float:
    """Of two digits, relative to their ink; a pixel of displacement is none."""
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return min(float(np.abs(one - np.roll(other, shift, (0, 1)).astype(float)).sum()) for shift in shifts) / one.sum()


@pytest.mark.parametrize("inverted", [False, True])
def test_a_picture_in_the_convention_passes_unchanged(inverted: bool) -> None:
    for digit in DIGITS:
        picture = Image.fromarray(255 - digit if inverted else digit)
        assert np.array_equal(normalize_picture(picture), digit)


def test_the_result_is_in_the_convention() -> None:
    generator = np.random.default_rng(0)
    for digit in DIGITS[:20]:
        pixels = normalize_picture(shaded(digit, generator))
        assert pixels.shape == (28, 28)
        assert pixels.dtype == np.uint8
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        for axis in (0, 1):
            assert abs((pixels.sum(1 - axis) * np.arange(28)).sum() / pixels.sum() - 14) <= 0.6


def test_enlarged_inverted_moved_shaded_digits_are_read_as_before(trained: Path) -> None:
    generator = np.random.default_rng(0)
    classifier = load_classifier(trained, precision="32-true")
    pictures = np.stack([normalize_picture(shaded(digit, generator)) for digit in DIGITS])
    before = (classifier.predict(DIGITS).argmax(1).numpy() != LABELS).mean()
    assert (classifier.predict(pictures).argmax(1).numpy() != LABELS).mean() <= before + 0.05


def two_halves(values: Array) -> Array:
    """A shadow with a hard edge, over half of it."""
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    return values * np.where(rows + 0.5 * columns > 0.75 * len(values), 0.55, 1)


def ruled(values: Array) -> Array:
    values = values.copy()
    for row in range(20, len(values), 45):
        values[row : row + 2] *= 0.8
    return values


def on_a_table(values: Array) -> Array:
    values = values.copy()
    values[:, :14] = 60
    return values


def specks(values: Array) -> Array:
    values = values.copy()
    for row, column in ((10, 10), (30, 180), (185, 25)):
        values[row : row + 3, column : column + 3] = 40
    return values


@pytest.mark.parametrize("change", [two_halves, ruled, on_a_table, specks])
def test_what_lies_beside_the_digit_is_no_ink(change: Callable[[Array], Array]) -> None:
    for digit in DIGITS[:12]:
        ink = np.pad(enlarged(digit, 140), 30)
        plain = normalize_picture(grey(paper(ink)))
        assert difference(plain, normalize_picture(grey(change(paper(ink))))) < 0.4


def test_faint_small_touching_and_thick() -> None:
    for digit in DIGITS[:12]:
        ink = enlarged(digit, 200)
        plain = normalize_picture(grey(paper(ink)))
        assert difference(plain, digit) < 0.4
        assert difference(plain, normalize_picture(grey(paper(ink, contrast=0.15)))) < 0.4  # pencil
        corner = np.pad(enlarged(digit, 60), ((0, 400), (400, 0)))
        assert difference(plain, normalize_picture(grey(paper(corner)))) < 0.5
        rows, columns = np.flatnonzero((ink > 0.3).any(1)), np.flatnonzero((ink > 0.3).any(0))
        touching = ink[rows[0] :, columns[0] :]  # the top and the left of the picture
        assert difference(plain, normalize_picture(grey(paper(touching)))) < 0.4


def test_thin_strokes_get_a_width_that_mnist_has() -> None:
    ring = np.hypot(*np.mgrid[-150:150, -150:150])
    thin = normalize_picture(grey(paper((np.abs(ring - 100) < 1.5).astype(np.float32))))
    thick = normalize_picture(grey(paper((np.abs(ring - 100) < 25).astype(np.float32))))
    for pixels in (thin, thick):
        profile = pixels[14, :14] / 255  # once through the stroke
        assert 1.4 < profile.sum() < 5.5
        assert pixels.max() > 200


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16", "F", "YCbCr"])
def test_modes(mode: str) -> None:
    drawn = grey(paper(enlarged(DIGITS[0], 200), brightness=255, contrast=1))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(drawn).astype(np.uint16) * 200)
    else:
        picture = drawn.convert("RGB").convert(mode) if mode != "F" else drawn.convert("F")
    assert difference(normalize_picture(drawn), normalize_picture(picture)) < 0.2


@pytest.mark.parametrize("colour", [(255, 240, 40), (255, 190, 200), (150, 230, 255)])
def test_ink_that_is_as_bright_as_its_paper(colour: tuple[int, int, int]) -> None:
    ink = enlarged(DIGITS[0], 200)[..., None]
    values = 250 * (1 - ink) + np.array(colour) * ink + np.random.default_rng(0).normal(scale=3, size=(200, 200, 3))
    assert (
        difference(
            normalize_picture(grey(paper(ink[..., 0]))),
            normalize_picture(Image.fromarray(values.clip(0, 255).astype("uint8"))),
        )
        < 0.4
    )


def test_nothing_but_an_input_error_is_raised() -> None:
    generator = np.random.default_rng(0)
    for index in range(60):
        height, width = generator.integers(8, 60, 2)
        kinds = (
            generator.integers(0, 256, (height, width)),  # noise
            generator.integers(250, 256, (height, width)),
            255 * (generator.random((height, width)) < generator.random()),
            np.where(np.arange(width) < width // 2, 235, 255) * np.ones((height, 1)),
        )
        with suppress(InputError):
            assert normalize_picture(grey(kinds[index % 4])).shape == (28, 28)


@pytest.mark.parametrize("colour", [0, 255])
def test_ink_on_nothing(colour: int) -> None:
    ink = enlarged(DIGITS[0], 200)
    values = np.full((200, 200, 4), colour, dtype=np.uint8)
    values[..., 3] = (ink * 255).clip(0, 255)
    assert difference(normalize_picture(grey(paper(ink))), normalize_picture(Image.fromarray(values))) < 0.1


def test_exif_orientation_is_undone(tmp_path: Path) -> None:
    upright = grey(paper(enlarged(DIGITS[0], 200)))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert difference(normalize_picture(upright), read_picture(tmp_path / "turned.jpg")[1]) < 0.1


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Image.new("L", (200, 200), 0), "blank"),
        (Image.new("RGB", (200, 150), (250, 250, 245)), "blank"),
        (Image.new("RGBA", (90, 90), (0, 0, 0, 0)), "blank"),
        (grey(200 + np.random.default_rng(0).normal(scale=8, size=(300, 400))), "blank"),
        (Image.fromarray(np.random.default_rng(0).normal(200, 8, (300, 400, 3)).astype(np.uint8)), "blank"),
        (grey(np.linspace(60, 220, 300)[:, None] * np.ones((1, 200))), "blank"),
        (Image.new("L", (1, 1), 255), "1×1"),
        (Image.new("L", (200, 7), 255), "200×7"),
    ],
)
def test_blank_and_too_small(picture: Image.Image, message: str) -> None:
    with pytest.raises(InputError, match=message):
        normalize_picture(picture)

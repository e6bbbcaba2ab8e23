"""Images in another convention than MNIST's are noticed; right ones are left alone."""

from collections.abc import Callable

import numpy as np
import pytest

import digits
from digits.data.conventions import TRANSFORMS, Images, apply_transform, judge, labels_disagree
from digits.data.pictures.choose import Predict
from digits.data.sources import sample
from digits.settings_checks import TRANSFORMS as TRANSFORM_SETTINGS

INVERSES = {"rotate_left": "rotate_right", "rotate_right": "rotate_left"}


@pytest.fixture(scope="module")
def predict() -> Predict:
    classifier = digits.load_classifier()
    return lambda images: np.asarray(classifier.predict(images))


@pytest.fixture(scope="module")
def images() -> Images:
    return sample().train.images.numpy()


def test_right_digits_are_left_alone(predict: Predict, images: Images) -> None:
    for start in range(0, 4400, 200):
        verdict = judge(images[start : start + 200], predict)
        assert verdict.transform is None
        assert verdict.looks_like_digits


@pytest.mark.parametrize("count", [1, 5, 20])
def test_few_right_digits_are_left_alone(predict: Predict, images: Images, count: int) -> None:
    for start in range(0, 50 * count, count):
        assert judge(images[start : start + count], predict).transform is None


@pytest.mark.parametrize("change", [
    lambda images: (images > 127).astype(np.uint8) * 255, lambda images: images // 3,
    lambda images: np.roll(images, 3, axis=1),
], ids=["two tones", "faint", "shifted"])  # fmt: skip
def test_digits_made_worse_are_left_alone(predict: Predict, images: Images, change: Callable[[Images], Images]) -> None:
    assert judge(change(images[:200]), predict).transform is None


@pytest.mark.parametrize("name", sorted(TRANSFORMS.keys() - {"remove_background", "center"}))
@pytest.mark.parametrize("count", [20, 200])
def test_transform_that_corrects_is_found(predict: Predict, images: Images, name: str, count: int) -> None:
    given = apply_transform(images[:count], INVERSES.get(name, name))
    verdict = judge(given, predict)
    assert verdict.transform == name
    assert np.array_equal(apply_transform(given, name), images[:count])


def test_small_digits_in_a_corner_are_centered(predict: Predict, images: Images) -> None:
    corner = np.zeros_like(images[:50])
    corner[:, 2:16, 2:16] = images[:50, ::2, ::2]
    assert judge(corner, predict).transform == "center"


def test_ink_on_gray_paper_is_found(predict: Predict, images: Images) -> None:
    paper = (200 - 0.5 * images[:100]).astype(np.uint8)
    assert judge(paper, predict).transform in ("invert", "remove_background")


def test_noise_does_not_look_like_digits(predict: Predict) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)
    verdict = judge(noise, predict)
    assert verdict.transform is None
    assert not verdict.looks_like_digits


def test_settings_name_every_transform() -> None:
    assert set(TRANSFORM_SETTINGS) == {"auto", *TRANSFORMS}


def test_labels_of_other_images_disagree(predict: Predict, images: Images) -> None:
    labels = sample().train.labels.numpy()
    probabilities = predict(images[:200])
    assert not labels_disagree(probabilities, labels[:200])
    assert labels_disagree(probabilities, np.roll(labels[:200], 1))
    assert not labels_disagree(probabilities[:5], np.roll(labels[:5], 1))  # too few

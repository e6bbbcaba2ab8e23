"""Pictures by hypotheses: made pictures that earlier versions misread, several digits, and pictures without a digit."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest
from helpers import hypotheses, slow
from PIL import Image

from digits.data.pictures.choose import Predict, choose
from digits.data.pictures.decode import DecodedPicture
from digits.data.pictures.masks import Array
from digits.data.pictures.normalize import Hypothesis
from digits.data.sources import sample
from digits.errors import InputError
from digits.prediction.chunks import Picture, PictureChunk
from digits.prediction.pictures import choose_digits
from digits.runs.onnx_model import predict_with_bundled
from tools.picture_scenes import SCENES

IMAGES, LABELS = (tensor.numpy() for tensor in sample().test or ())


def made(scene: str, label: int | None = None, count: int = 10) -> list[Image.Image]:
    """Pictures of a scene, of one class or of all."""
    images = IMAGES if label is None else IMAGES[label == LABELS]
    return [SCENES[scene](list(images[index : index + 4]), np.random.default_rng([index, 1])) for index in range(count)]


def labels_of(made_pictures: list[Image.Image]) -> list[int]:
    chosen = choose([hypotheses(picture) for picture in made_pictures], predict_with_bundled)
    none = np.zeros((1, 28, 28), np.uint8)
    digits = [hypothesis.digits[:1] if hypothesis else none for hypothesis in chosen]
    predicted: list[int] = predict_with_bundled(np.concatenate(digits)).argmax(1).tolist()
    return [label if hypothesis else -1 for label, hypothesis in zip(predicted, chosen, strict=True)]


@pytest.mark.parametrize(
    "scene",
    ["pen", *map(slow, ["shadow", "squared", "chalk", "tight crop", "28×28", "broken strokes", "brush"])],
)
def test_made_photos_are_read(scene: str) -> None:
    wrong = np.array(labels_of(made(scene, count=20))) != LABELS[:20]
    assert wrong.sum() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scene", "label", "correct"), [("European 1", 1, 16), ("crossed 7", 7, 19), ("curled 9", 9, 19), ("open 4", 4, 19)]
)
def test_european_digits_are_read(scene: str, label: int, correct: int) -> None:
    assert labels_of(made(scene, label, count=20)).count(label) >= correct


@pytest.mark.parametrize("scene", ["two beside", slow("two stacked"), slow("four")])
def test_several_digits_are_reported(scene: str) -> None:
    chosen = choose([hypotheses(picture) for picture in made(scene)], predict_with_bundled)
    counts = [len(hypothesis.digits) for hypothesis in chosen if hypothesis]
    assert sum(count > 1 for count in counts) >= 8
    assert max(counts) <= 4


@pytest.mark.parametrize(
    "scene", ["clouds", slow("letters"), slow("landscape"), slow("empty ruled"), slow("empty squared")]
)
def test_pictures_without_a_digit_are_refused_or_doubted(scene: str) -> None:
    chosen = choose([hypotheses(picture) for picture in made(scene)], predict_with_bundled)
    digits = [hypothesis.digits for hypothesis in chosen if hypothesis and len(hypothesis.digits) == 1]
    stacked = np.concatenate([np.zeros((0, 28, 28), np.uint8), *digits])
    assert (predict_with_bundled(stacked).max(1, initial=0) > 0.9).sum() <= 1


def test_all_hypotheses_are_judged_in_one_batch_and_the_choice_is_deterministic() -> None:
    counts: list[int] = []

    def predict(images: Any) -> Any:
        counts.append(len(images))
        return predict_with_bundled(images)

    found = [hypotheses(picture) for picture in made("brush", count=3)]
    first, again = choose(found, predict), choose(found, predict)
    assert counts == 2 * [sum(len(one.digits) for several in found for one in several)]
    assert [one and one.description for one in first] == [one and one.description for one in again]
    assert choose([], predict) == []
    assert len(counts) == 2


MadeHypothesis: TypeAlias = tuple[str, int, list[float], bool]
"""Description, number of digits, confidences that they are a 3 (a 5 if negative), and whether they lie apart."""


def hypotheses_of(made_ones: Sequence[MadeHypothesis]) -> list[Hypothesis]:
    return [Hypothesis(name, np.zeros((count, 28, 28), np.uint8), True, apart) for name, count, _, apart in made_ones]


def decoded(made_ones: Sequence[MadeHypothesis], thumbnail: Array | None = None) -> DecodedPicture:
    """A picture about which there are these hypotheses."""
    return DecodedPicture(hypotheses_of(made_ones), (90, 90), thumbnail)


def judge_of(*made_ones: MadeHypothesis) -> Predict:
    """A judge with these confidences."""
    confidences = np.array([value for _, _, values, _ in made_ones for value in values], np.float32)
    probabilities = np.zeros((len(confidences), 10), np.float32)
    probabilities[:, 3], probabilities[:, 5] = confidences.clip(min=0), (-confidences).clip(min=0)
    return lambda images: probabilities


def test_each_picture_gives_its_digit_or_an_error_in_order() -> None:
    two = [("one", 1, [0.6], False), ("parts", 2, [0.95, 0.9], False)]
    nothing = [("doubt", 1, [0.95], False), *(("other", 1, [0.1], False) for _ in range(5))]
    one = [("one", 1, [0.99], False)]
    thumbnail = np.zeros((9, 9, 3), np.uint8)
    pictures = [
        Picture("two.png", decoded(two, thumbnail)), InputError("bad.png: damaged"),
        Picture("nothing.png", decoded(nothing)), Picture("one.png", decoded(one)),
    ]  # fmt: skip
    chunk, judge = PictureChunk(pictures, progress=0.5), judge_of(*two, *nothing, *one)
    digits = choose_digits(chunk, judge)
    assert digits.errors == [
        "two.png: seems to hold 2 digits; cut one out, or add several=all", "bad.png: damaged",
        "nothing.png: nothing like a digit found",
    ]  # fmt: skip
    assert [source.file for source in digits.sources] == ["one.png"]
    assert (digits.images.shape, digits.progress) == ((1, 28, 28), 0.5)
    both = choose_digits(chunk, judge, several=True)
    assert [(source.file, source.description) for source in both.sources] == [("two.png", "parts"), ("one.png", "one")]
    assert both.sources[0].thumbnail is thumbnail
    unreadable = PictureChunk(pictures[1:2], progress=1)
    assert choose_digits(unreadable, judge).images.shape == (0, 28, 28)


def test_files_of_the_same_name_keep_their_own_digits() -> None:
    """An archive may have a name twice."""
    made_ones = [("first", 1, [0.99], False), ("second", 1, [0.99], False)]
    pictures = [Picture("same.png", decoded([one])) for one in made_ones]
    digits = choose_digits(PictureChunk(pictures, progress=1), judge_of(*made_ones))
    assert [source.description for source in digits.sources] == ["first", "second"]


def scored(*candidates: MadeHypothesis) -> str | None:
    """The description of the chosen hypothesis."""
    [chosen] = choose([hypotheses_of(candidates)], judge_of(*candidates))
    return chosen and chosen.description


def test_a_simple_hypothesis_wins_unless_another_is_clearly_more_convincing() -> None:
    assert scored(("a", 1, [0.95], False), ("b", 1, [0.99], False)) == "a"
    assert scored(("a", 1, [0.80], False), ("b", 1, [0.99], False)) == "b"


def test_hypotheses_vote_for_the_label() -> None:
    assert scored(("a", 1, [-0.99], False), ("b", 1, [0.9], False), ("c", 1, [0.9], False)) == "b"


def test_several_digits_lie_apart_or_are_more_convincing_than_one() -> None:
    assert scored(("one", 1, [0.99], False), ("parts", 2, [0.95, 0.9], False)) == "one"  # a broken digit
    assert scored(("one", 1, [0.6], False), ("parts", 2, [0.95, 0.9], False)) == "parts"
    assert scored(("one", 1, [0.99], False), ("two", 2, [0.99, 0.9], True)) == "two"
    assert scored(("one", 1, [0.99], False), ("two", 2, [0.99, 0.4], True)) == "one"  # a digit and a blot
    others = [(str(index), 1, [0.99], False) for index in range(3)]
    assert scored(("one", 1, [0.99], False), ("two", 2, [0.99, 0.9], True), *others) == "one"


def test_nothing_is_chosen_without_agreement() -> None:
    others = [(str(index), 1, [0.1], False) for index in range(5)]
    assert scored(("one", 1, [0.95], False), *others) is None
    assert scored(("one", 1, [0.95], False), *others[:1]) == "one"

"""Pictures by hypotheses: made pictures that earlier versions misread, several digits, and pictures without a digit."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from helpers import slow
from PIL import Image

from digits.data.pictures.normalize import Hypothesis, hypotheses
from digits.data.sources import sample
from digits.prediction import pictures
from digits.prediction.classifier import load_classifier
from digits.prediction.pictures import choose
from tools.picture_scenes import SCENES

IMAGES, LABELS = (tensor.numpy() for tensor in sample().test or ())


def made(scene: str, label: int | None = None, count: int = 10) -> list[Image.Image]:
    """Pictures of a scene, of one class or of all."""
    images = IMAGES if label is None else IMAGES[label == LABELS]
    return [SCENES[scene](list(images[index : index + 4]), np.random.default_rng([index, 1])) for index in range(count)]


def labels_of(made_pictures: list[Image.Image]) -> list[int]:
    chosen = choose({str(index): hypotheses(picture) for index, picture in enumerate(made_pictures)})
    none = np.zeros((1, 28, 28), np.uint8)
    digits = [hypothesis.digits[:1] if hypothesis else none for hypothesis in chosen.values()]
    predicted: list[int] = load_classifier(accelerator="cpu").predict(np.concatenate(digits)).argmax(1).tolist()
    return [label if hypothesis else -1 for label, hypothesis in zip(predicted, chosen.values(), strict=True)]


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
    chosen = choose({str(index): hypotheses(picture) for index, picture in enumerate(made(scene))})
    counts = [len(hypothesis.digits) for hypothesis in chosen.values() if hypothesis]
    assert sum(count > 1 for count in counts) >= 8
    assert max(counts) <= 4


@pytest.mark.parametrize(
    "scene", ["clouds", slow("letters"), slow("landscape"), slow("empty ruled"), slow("empty squared")]
)
def test_pictures_without_a_digit_are_refused_or_doubted(scene: str) -> None:
    chosen = choose({str(index): hypotheses(picture) for index, picture in enumerate(made(scene))})
    digits = [hypothesis.digits for hypothesis in chosen.values() if hypothesis and len(hypothesis.digits) == 1]
    stacked = np.concatenate([np.zeros((0, 28, 28), np.uint8), *digits])
    assert (load_classifier(accelerator="cpu").predict(stacked).amax(1) > 0.9).sum() <= 1


def test_all_hypotheses_are_judged_in_one_batch_and_the_choice_is_deterministic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundled = pictures._bundled()
    calls = []

    class Spy:
        def predict(self, images: Any) -> torch.Tensor:
            calls.append(len(images))
            return bundled.predict(images)

    monkeypatch.setattr(pictures, "_bundled", Spy)
    found = {str(index): hypotheses(picture) for index, picture in enumerate(made("brush", count=3))}
    first, again = choose(found), choose(found)
    assert len(calls) == 2
    assert calls[0] == sum(len(one.digits) for several in found.values() for one in several)
    assert [one and one.description for one in first.values()] == [one and one.description for one in again.values()]
    assert choose({}) == {}


def scored(monkeypatch: pytest.MonkeyPatch, *candidates: tuple[str, int, list[float], bool]) -> str | None:
    """The description of the chosen hypothesis; each is a description, a number of digits, the confidences that they
    are a 3 (a 5 if negative), and whether they lie apart."""
    confidences = torch.tensor([value for _, _, values, _ in candidates for value in values])
    probabilities = torch.zeros(len(confidences), 10)
    probabilities[:, 3], probabilities[:, 5] = confidences.clamp(min=0), (-confidences).clamp(min=0)
    classifier = type("Made", (), {"predict": lambda self, images: probabilities})
    monkeypatch.setattr(pictures, "_bundled", classifier)
    found = [Hypothesis(name, np.zeros((count, 28, 28), np.uint8), True, apart) for name, count, _, apart in candidates]
    chosen = choose({"": found})[""]
    return chosen and chosen.description


def test_a_simple_hypothesis_wins_unless_another_is_clearly_more_convincing(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = partial(scored, monkeypatch)
    assert choice(("a", 1, [0.95], False), ("b", 1, [0.99], False)) == "a"
    assert choice(("a", 1, [0.80], False), ("b", 1, [0.99], False)) == "b"


def test_hypotheses_vote_for_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = partial(scored, monkeypatch)
    assert choice(("a", 1, [-0.99], False), ("b", 1, [0.9], False), ("c", 1, [0.9], False)) == "b"


def test_several_digits_lie_apart_or_are_more_convincing_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = partial(scored, monkeypatch)
    assert choice(("one", 1, [0.99], False), ("parts", 2, [0.95, 0.9], False)) == "one"  # a broken digit
    assert choice(("one", 1, [0.6], False), ("parts", 2, [0.95, 0.9], False)) == "parts"
    assert choice(("one", 1, [0.99], False), ("two", 2, [0.99, 0.9], True)) == "two"
    assert choice(("one", 1, [0.99], False), ("two", 2, [0.99, 0.4], True)) == "one"  # a digit and a blot
    others = [(str(index), 1, [0.99], False) for index in range(3)]
    assert choice(("one", 1, [0.99], False), ("two", 2, [0.99, 0.9], True), *others) == "one"


def test_nothing_is_chosen_without_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [(str(index), 1, [0.1], False) for index in range(5)]
    assert scored(monkeypatch, ("one", 1, [0.95], False), *others) is None
    assert scored(monkeypatch, ("one", 1, [0.95], False), *others[:1]) == "one"

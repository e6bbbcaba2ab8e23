"""The page of the least certain digits: which digits it holds, and that it is one safe file."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import predict_settings
from PIL import Image

from digits.errors import InputError
from digits.prediction import review as module
from digits.prediction.chunks import DigitChunk, DigitPlace, DigitSource, PredictedChunk
from digits.prediction.classifier import Predictions
from digits.prediction.page_sources import read_source
from digits.prediction.predict import predict
from digits.prediction.review import Review, build_review

NONE = np.zeros(0, bool)


def predicted(confidences: list[float], labels: list[int] | None = None, **parts: object) -> PredictedChunk:
    """Digits with the label 3 and these confidences. The rest is the probability of 5. The images are numbered."""
    probabilities = np.zeros((len(confidences), 10), np.float32)
    probabilities[:, 3] = confidences
    probabilities[:, 5] = 1 - probabilities[:, 3]
    images = np.arange(len(confidences), dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    given = None if labels is None else np.array(labels)
    digits = DigitChunk(images, given, **parts)  # type: ignore[arg-type]
    return PredictedChunk(digits, Predictions(probabilities, NONE, NONE), seconds=0)


def names(review: Review) -> list[str]:
    return [digit.name for digit in review.digits]


def content(page: str) -> dict[str, object]:
    [text] = re.findall(r'<script id="content" type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def test_least_certain_digits_are_first() -> None:
    review = Review()
    review.add(predicted([0.9, 0.6, 0.8]))
    assert names(review) == ["digit 2", "digit 3", "digit 1"]


def test_digits_that_differ_from_their_label_are_first_the_most_confident_ones_before() -> None:
    review = Review()
    review.add(predicted([0.55, 0.6, 0.7, 0.99], labels=[3, 5, 5, 3]))
    assert names(review) == ["digit 3", "digit 2", "digit 1", "digit 4"]
    assert [(digit.predicted, digit.label) for digit in review.digits] == [(3, 5), (3, 5), (3, 3), (3, 3)]
    assert review.describe() == "4 of 4 digits, first 2 of the 2 that differ from their label"


@pytest.mark.parametrize("size", [1, 3, 40])
def test_selection_does_not_depend_on_the_size_of_chunks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(module, "MAX_DIGITS", 7)
    confidences = np.random.default_rng(0).integers(6, 10, 40) / 10  # with ties
    review = Review()
    for start in range(0, 40, size):
        review.add(predicted(confidences[start : start + size].tolist()))
    expected = np.argsort(confidences, kind="stable")[:7] + 1
    assert names(review) == [f"digit {number}" for number in expected]
    assert review.describe() == "7 of 40 digits, the least certain first"


def test_chunks_are_not_kept_in_memory() -> None:
    review = Review()
    review.add(predicted([0.9, 0.6]))
    assert all(digit.image.base is None for digit in review.digits)


def test_digits_of_pictures_are_named_after_them() -> None:
    place = DigitPlace(2, 1, (0, 0, 9, 9), (20, 20))
    sources = [DigitSource("a/b.png", "", None), DigitSource("sheet.png", "", None, place)]
    review = Review()
    review.add(predicted([0.6, 0.9], sources=sources))
    assert names(review) == ["a/b.png", "sheet.png, digit 2"]


def test_page_holds_the_images_and_predictions() -> None:
    review = Review()
    review.add(predicted([0.9, 0.6], labels=[3, 5]))
    digits = content(build_review(review))["digits"]
    assert isinstance(digits, list)
    pixels = [base64.b64decode(digit.pop("pixels")) for digit in digits]
    assert pixels == [bytes([1]) * 784, bytes([0]) * 784]
    assert digits == [
        {"name": "digit 2", "predicted": 3, "confidence": 0.6, "label": 5},
        {"name": "digit 1", "predicted": 3, "confidence": 0.9, "label": 3},
    ]


def test_name_of_a_file_is_only_text() -> None:
    name = "</script><script>document.title = 'run'</script>\udcff IDENTITY.png"
    review = Review()
    review.add(predicted([0.6], sources=[DigitSource(name, "", None)]))
    page = build_review(review)
    page.encode()  # a name that is not UTF-8 is escaped
    [digit] = content(page)["digits"]  # type: ignore[misc]
    assert digit["name"] == name


def test_page_links_to_nothing() -> None:
    page = build_review(Review())
    for name in ("page.css", "review.css", "view.js", "save.js", "review.js"):
        assert read_source(name) in page
    for link in ("src=", "href=", "http://", "https://"):
        assert link not in page


def test_pages_of_other_digits_store_their_labels_apart() -> None:
    pages = []
    for confidence in (0.6, 0.6, 0.7):
        review = Review()
        review.add(predicted([confidence]))
        pages.append(re.findall('data-identity="(.*?)"', build_review(review)))
    assert pages[0] == pages[1] != pages[2]


@pytest.mark.parametrize("several", [False, "all"])
def test_pictures_are_reviewed(tmp_path: Path, several: object) -> None:
    picture = Image.new("L", (60, 60), 255)
    picture.paste(0, (28, 10, 33, 50))
    picture.save(tmp_path / "one.png")
    page = tmp_path / "wrong.html"
    output = str(tmp_path / "labels.csv")
    predict(predict_settings(input=str(tmp_path / "one.png"), several=several, output=output, review=str(page)))
    [digit] = content(page.read_text(encoding="utf-8"))["digits"]  # type: ignore[misc]
    assert digit["name"] == f"{tmp_path / 'one.png'}" + (", digit 1" if several else "")
    assert digit["label"] is None


def test_without_digits_nothing_is_written(tmp_path: Path) -> None:
    Image.new("L", (60, 60), 255).save(tmp_path / "blank.png")
    settings = {"input": str(tmp_path / "blank.png"), "output": str(tmp_path / "labels.csv")}
    with pytest.raises(InputError, match="nothing is written"):
        predict(predict_settings(**settings, review=str(tmp_path / "wrong.html")))
    assert [path.name for path in tmp_path.iterdir()] == ["blank.png"]


def test_review_without_an_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^review=wrong\.html: needs digits, input=…$"):
        predict(predict_settings(export=str(tmp_path / "a.onnx"), review="wrong.html"))

"""tools/number_pages.py: the made pages are what they claim to be, and their failures are counted as by hand."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from digits.data.pictures.masks import Array
from digits.data.sources import sample
from tools import number_pages
from tools.number_pages import PAPERS, Counts, PageDigit, make_page, measure_page, overlap


@pytest.fixture(scope="module")
def digits() -> tuple[Array, Array]:
    train = sample().train
    return train.images[:500].numpy(), train.labels[:500].numpy()


@pytest.mark.parametrize("paper", PAPERS)
def test_digits_of_a_page_lie_on_it_in_the_order_of_reading(digits: tuple[Array, Array], paper: str) -> None:
    for index in range(3):
        picture, page = make_page(*digits, paper, index)
        assert 1 <= len(page) <= 60
        assert [digit.line for digit in page] == sorted(digit.line for digit in page)
        for digit, following in pairwise(page):
            assert digit.line < following.line or digit.box[0] < following.box[0]
        for left, top, right, bottom in (digit.box for digit in page):
            assert 0 <= left < right <= picture.width
            assert 0 <= top < bottom <= picture.height


def test_page_depends_on_its_arguments_only(digits: tuple[Array, Array]) -> None:
    pages = [make_page(*digits, "plain", index) for index in (4, 4, 5)]
    assert pages[0][1] == pages[1][1] != pages[2][1]
    assert np.array_equal(pages[0][0], pages[1][0])


def test_touching_digits_have_a_touching_neighbor(digits: tuple[Array, Array]) -> None:
    found = 0
    for index in range(12):
        _, page = make_page(*digits, "plain", index)
        for place, digit in enumerate(page):
            if digit.touches:
                found += 1
                beside = page[max(place - 1, 0) : place + 2]
                near = [one for one in beside if one is not digit and one.touches and one.line == digit.line]
                assert any(one.box[0] <= digit.box[2] + 1 and digit.box[0] <= one.box[2] + 1 for one in near)
    assert found > 0


def test_overlap_is_the_intersection_over_the_union() -> None:
    assert overlap((0, 0, 4, 4), (2, 0, 6, 4)) == pytest.approx(8 / 24)
    assert overlap((0, 0, 4, 4), (4, 0, 6, 4)) == 0


def test_failures_are_counted_as_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    page = [
        PageDigit(3, (0, 0, 10, 20), 0, False),
        PageDigit(5, (20, 0, 30, 20), 0, True),
        PageDigit(7, (30, 0, 40, 20), 0, True),
    ]
    readings = [
        SimpleNamespace(label=7, box=(30, 0, 40, 20)),  # found, before the others
        SimpleNamespace(label=3, box=(0, 0, 10, 19)),  # found
        SimpleNamespace(label=1, box=(50, 0, 60, 20)),  # invented
        SimpleNamespace(label=3, box=(1, 0, 10, 20)),  # the same digit again: invented
    ]
    monkeypatch.setattr(number_pages, "read_all", lambda picture: readings)
    counts, touching = measure_page(Image.new("L", (60, 20)), page)
    assert counts == Counts(digits=3, wrong=0, missed=1, invented=2, disordered=1)
    assert touching == Counts(digits=2, wrong=0, missed=1)

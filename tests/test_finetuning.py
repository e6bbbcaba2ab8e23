"""tools.made_writers and tools.finetuning: hands that are made, and the page of the measurement."""

import json
from dataclasses import replace

import pytest
import torch
from helpers import PROJECT
from torch import Tensor

from digits.data.sources import Digits, sample
from tools.finetuning import update_page
from tools.made_writers import Writer, make_writer, write

PAGE = PROJECT / "docs" / "finetuning.md"
PLAIN = Writer(slant=0, aspect=1, upstroke=0.01, upstroke_angle=30, base=0, bar=0.01, thinning=0)


def some(digit: int, count: int = 10) -> Digits:
    digits = sample().train
    return digits.select(torch.nonzero(digits.labels == digit).flatten()[:count])


def ink(digits: Digits) -> Tensor:
    """The ink of all images, as a fraction of their brightest value."""
    return digits.images.float().mean() / 255


def slant(digits: Digits) -> Tensor:
    """The mean covariance of row and column of the ink: positive if the strokes lean to the left."""
    weights = digits.images.double()
    weights = weights / weights.sum((1, 2), keepdim=True)
    position = torch.arange(28.0, dtype=torch.float64)
    row, column = position[:, None].expand(28, 28), position[None, :].expand(28, 28)
    means = [(weights * part).sum((1, 2), keepdim=True) for part in (row, column)]
    return (weights * (row - means[0]) * (column - means[1])).sum((1, 2)).mean()


def test_writer_is_a_function_of_the_seed() -> None:
    digits = some(1)
    one, again, other = (write(make_writer(seed), digits, seed).images for seed in (3, 3, 4))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_written_digits_are_in_mnists_format_and_keep_their_labels() -> None:
    digits = some(4)
    written = write(make_writer(0), digits, 0)
    assert (written.images.shape, written.images.dtype) == (digits.images.shape, torch.uint8)
    assert torch.equal(written.labels, digits.labels)
    inked = written.images > 50
    heights, widths = (inked.any(dim).sum(1) for dim in (2, 1))
    assert torch.maximum(heights, widths).max() <= 20


@pytest.mark.parametrize("digit", [1, 7])
def test_strokes_of_the_writer_add_ink(digit: int) -> None:
    digits = some(digit)
    strokes = replace(PLAIN, upstroke=0.8, bar=0.3)
    assert ink(write(strokes, digits, 0)) > 1.1 * ink(write(PLAIN, digits, 0))


def test_pen_and_slant_change_the_digits() -> None:
    digits = some(2)
    assert ink(write(replace(PLAIN, thinning=1), digits, 0)) < 0.9 * ink(write(PLAIN, digits, 0))
    to_the_right, to_the_left = (slant(write(replace(PLAIN, slant=angle), digits, 0)) for angle in (30, -30))
    assert to_the_right < slant(write(PLAIN, digits, 0)) < to_the_left


def test_table_is_rebuilt_from_the_committed_results() -> None:
    page = PAGE.read_text()
    assert update_page(page, json.loads(PAGE.with_suffix(".json").read_text())) == page

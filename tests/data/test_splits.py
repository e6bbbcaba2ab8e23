"""The split is disjoint, complete, stratified, and a function of its own seed alone."""

import pytest
import torch

from digits.data.splits import split, stratified_permutation
from digits.errors import InputError

LABELS = torch.arange(1_000) % 10


def indices(*parts: torch.Tensor) -> list[int]:
    return sorted(torch.cat(parts).tolist())


@pytest.mark.parametrize(("val_size", "count"), [(0, 0), (100, 100), (0.25, 250), (999, 999), (0.0, 0)])
def test_parts_are_disjoint_and_complete(val_size: float, count: int) -> None:
    train, val = split(LABELS, val_size=val_size, seed=0)
    assert len(val) == count
    assert indices(train, val) == list(range(1_000))


def test_classes_keep_their_proportions() -> None:
    _, val = split(LABELS, val_size=100, seed=0)
    assert LABELS[val].bincount().tolist() == [10] * 10
    uneven = torch.cat([torch.zeros(900, dtype=torch.long), torch.full((100,), 7)])
    _, val = split(uneven, val_size=50, seed=0)
    assert uneven[val].bincount()[[0, 7]].tolist() == [45, 5]


def test_only_its_own_seed_matters() -> None:
    one = split(LABELS, val_size=100, seed=0)[1]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert torch.equal(split(LABELS, val_size=100, seed=0)[1], one)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(split(LABELS, val_size=100, seed=1)[1], one)


def test_neighbours_are_in_random_order() -> None:
    order = stratified_permutation(LABELS, seed=0)
    assert LABELS[order][:10].tolist() != LABELS[order][10:20].tolist()
    assert sorted(LABELS[order][:10].tolist()) == list(range(10))


def test_folds_are_a_partition() -> None:
    parts = [split(LABELS, val_size=0, seed=0, folds=7, fold=fold) for fold in range(7)]
    assert indices(*(val for _, val in parts)) == list(range(1_000))
    for train, val in parts:
        assert indices(train, val) == list(range(1_000))
        assert LABELS[val].bincount(minlength=10).min() >= 13


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_size": 1_000}, r"data.val_size=1000: must be a count from 0 to 999"),
        ({"val_size": 1.0}, r"data.val_size=1.0"),
        ({"val_size": 0.0001}, r"data.val_size=0.0001"),
        ({"val_size": -1}, r"data.val_size=-1"),
        ({"val_size": 0, "folds": 1}, r"data.folds=1: must be between 2"),
        (
            {"val_size": 0, "folds": 1_001},
            r"data.folds=1001: must be between 2 and the number of images, 1,000",
        ),
        (
            {"val_size": 0, "folds": 5, "fold": 5},
            r"data.fold=5: with data.folds=5 it must be between 0 and 4",
        ),
        ({"val_size": 0, "folds": 5, "fold": -1}, r"data.fold=-1"),
    ],
)
def test_bad_sizes_are_named(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        split(LABELS, seed=0, **options)  # type: ignore[arg-type]

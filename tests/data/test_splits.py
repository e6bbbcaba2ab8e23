"""The split: disjoint, complete, stratified, and a function of its own seed."""

import pytest
import torch

from digits.data.splits import split_indices, stratified_permutation
from digits.errors import InputError

LABELS = torch.arange(1_000) % 10


def joined(*indices: torch.Tensor) -> list[int]:
    return sorted(torch.cat(indices).tolist())


@pytest.mark.parametrize(("val_size", "count"), [(0, 0), (100, 100), (0.25, 250), (999, 999), (0.0, 0)])
def test_parts_are_disjoint_and_complete(val_size: float, count: int) -> None:
    train, val = split_indices(LABELS, val_size=val_size, seed=0)
    assert len(val) == count
    assert joined(train, val) == list(range(1_000))


@pytest.mark.parametrize(("counts", "val_size", "expected"), [([100] * 10, 100, [10] * 10), ([900, 100], 50, [45, 5])])
def test_classes_keep_their_proportions(counts: list[int], val_size: int, expected: list[int]) -> None:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    _, val = split_indices(labels, val_size=val_size, seed=0)
    assert labels[val].bincount().tolist() == expected


def test_split_depends_only_on_its_own_seed() -> None:
    _, val = split_indices(LABELS, val_size=100, seed=0)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert torch.equal(split_indices(LABELS, val_size=100, seed=0)[1], val)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(split_indices(LABELS, val_size=100, seed=1)[1], val)


def test_classes_alternate_in_random_order() -> None:
    first, second = LABELS[stratified_permutation(LABELS, seed=0)][:20].split(10)
    assert first.tolist() != second.tolist()
    assert sorted(first.tolist()) == list(range(10))


def test_folds_are_a_partition() -> None:
    folds = [split_indices(LABELS, val_size=0, seed=0, folds=7, fold=fold) for fold in range(7)]
    assert joined(*(val for _, val in folds)) == list(range(1_000))
    for train, val in folds:
        assert joined(train, val) == list(range(1_000))
        assert LABELS[val].bincount(minlength=10).min() >= 13


@pytest.mark.parametrize(("options", "message"), [
    ({"val_size": 1_000}, "data.val_size=1000: .* 0 to 999"), ({"val_size": 1.0}, "data.val_size=1.0"),
    ({"val_size": 0.0001}, "data.val_size=0.0001: no image of 1,000"), ({"val_size": -1}, "data.val_size=-1"),
    ({"folds": 1}, "data.folds=1: .* 2"), ({"folds": 1_001}, "data.folds=1001: .* 1,000"),
    ({"folds": 5, "fold": 5}, "data.fold=5: .* 0 and 4"), ({"folds": 5, "fold": -1}, "data.fold=-1"),
])  # fmt: skip
def test_impossible_setting_is_named(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_indices(LABELS, **{"val_size": 0, "seed": 0} | options)

"""Batches of indices: complete, even, in an order that depends only on the seed and the epoch; shares of them."""

from math import ceil

import pytest
import torch

from digits.data import shares
from digits.data.sampler import EvenBatchSampler, RehearsalSampler


def test_order_is_a_function_of_seed_and_epoch() -> None:
    batches = EvenBatchSampler(50, 10, shuffle_seed=3)
    first = torch.cat(list(batches))
    torch.rand(1)
    assert torch.equal(torch.cat(list(batches)), first)
    batches.set_epoch(1)
    assert not torch.equal(torch.cat(list(batches)), first)


@pytest.mark.parametrize("total", [96, 97, 100, 103, 5])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_ranks_share_complete_even_batches(monkeypatch: pytest.MonkeyPatch, total: int, world_size: int) -> None:
    batches = EvenBatchSampler(total, 8, shuffle_seed=0)
    expected = list(batches)
    sizes = [len(batch) for batch in expected]
    assert torch.cat(expected).sort().values.tolist() == list(range(total))
    assert len(expected) == len(EvenBatchSampler(total, 8))
    assert max(sizes) <= 8
    assert max(sizes) - min(sizes) <= 1

    unshuffled = EvenBatchSampler(total, 8)
    one_process = list(unshuffled)
    monkeypatch.setattr(shares.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(shares.dist, "get_world_size", lambda: world_size)
    by_rank = []
    for rank in range(world_size):
        monkeypatch.setattr(shares.dist, "get_rank", lambda rank=rank: rank)
        assert all(map(torch.equal, batches, expected))  # every process augments the whole batch
        by_rank.append(list(unshuffled))
    for batch, *parts in zip(one_process, *by_rank, strict=True):
        assert torch.equal(torch.cat(parts), batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("per_digit", "counts"), [(0.5, [5, 5, 5]), (1.0, [10, 10, 10]), (3.0, [30, 30, 30])])
def test_rehearsal_adds_other_digits_to_each_batch(per_digit: float, counts: list[int]) -> None:
    own = list(EvenBatchSampler(30, 10, shuffle_seed=3))
    batches = list(RehearsalSampler(30, 10, shuffle_seed=3, per_digit=per_digit, added_total=60))
    for batch, expected in zip(batches, own, strict=True):
        assert torch.equal(batch[:10], expected)
    added = [batch[10:] for batch in batches]
    assert [len(part) for part in added] == counts
    assert all(part.min() >= 30 and part.max() < 90 for part in added)
    assert torch.cat(added).unique(return_counts=True)[1].max() == ceil(sum(counts) / 60)


def test_rehearsed_digits_are_a_function_of_seed_and_epoch() -> None:
    sampler = RehearsalSampler(10, 10, shuffle_seed=3, per_digit=1.0, added_total=1000)
    [first] = sampler
    torch.rand(1)
    [again] = sampler
    assert torch.equal(first, again)
    sampler.set_epoch(1)
    [later] = sampler
    assert not torch.equal(first[10:].sort().values, later[10:].sort().values)

"""Batches of indices: complete, even, in an order that depends only on the seed and the epoch; shares of them."""

import pytest
import torch

from digits.data import shares
from digits.data.sampler import EvenBatchSampler


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

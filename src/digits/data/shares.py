"""Shares of a batch: several processes compute one batch together."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """The number of processes of this run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def share(batch: Tensor) -> Tensor:
    """The part of a batch [B, …] that this process computes. Sizes differ by at most one."""
    if not dist.is_initialized():
        return batch
    return batch.tensor_split(world_size())[dist.get_rank()]


def gathered(batches: Sequence[Tensor]) -> Tensor:
    """Joins batches [B, …] in the order in which the results of their shares are gathered: all of the first process,
    then all of the second."""
    count = world_size()
    results = []
    for rank in range(count):
        shares = [batch.tensor_split(count)[rank] for batch in batches]
        results.append(torch.cat(shares))
    return torch.cat(results)

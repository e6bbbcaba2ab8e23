"""Shares of a batch: several processes compute one batch together."""

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

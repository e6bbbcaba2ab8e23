"""Batches of indices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import Sampler

from digits.seeding import seeded_generator


@dataclass(eq=False)
class BalancedBatchSampler(Sampler[Tensor]):
    """Batches of indices int64 [B] that hold each of `total` indices once, in an order that depends on `shuffle_seed`
    and the epoch, or unshuffled. Batch sizes differ by at most one, so that no small last batch distorts the statistics
    of batch normalization. Unshuffled batches are shared among the processes. Shuffled batches are not: each
    process augments the whole batch and then takes its share. The random numbers then do not depend on the number of
    processes."""

    total: int
    batch_size: int
    shuffle_seed: int | None = None
    device: torch.device | str = "cpu"
    epoch: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.total // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        yield from map(share, self.batches()) if self.shuffle_seed is None else self.batches()

    def batches(self) -> Sequence[Tensor]:
        """The batches of the epoch, before they are shared."""
        if self.shuffle_seed is None:
            order = torch.arange(self.total)
        else:
            order = torch.randperm(self.total, generator=seeded_generator(self.shuffle_seed, self.epoch))
        return order.to(self.device).tensor_split(len(self))  # a copy per step would synchronize with a GPU


def share(batch: Tensor) -> Tensor:
    """The part of a batch that this process computes. Sizes differ by at most one."""
    return batch.tensor_split(world_size())[dist.get_rank()] if dist.is_initialized() else batch


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1

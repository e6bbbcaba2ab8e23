"""Batches of indices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor
from torch.utils.data import Sampler

from digits.data.shares import share
from digits.seeding import seeded_generator

REHEARSAL = 1  # in the key of a generator of its own


@dataclass(eq=False)
class EvenBatchSampler(Sampler[Tensor]):
    """Batches of indices int64 [B] that hold each of `total` indices once, in an order that depends on `shuffle_seed`
    and the epoch, or unshuffled.

    Batch sizes differ by at most one: a small last batch would distort the statistics of batch normalization.
    Unshuffled batches are shared among the processes. Shuffled batches are not: each process augments the whole batch
    and then takes its share, so that the random numbers do not depend on the number of processes."""

    total: int
    batch_size: int
    shuffle_seed: int | None = None
    device: torch.device | str = "cpu"
    epoch: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return ceil(self.total / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        for batch in self.batches():
            yield batch if self.shuffle_seed is not None else share(batch)

    def batches(self) -> Sequence[Tensor]:
        """The batches of the epoch, before they are shared."""
        if self.shuffle_seed is None:
            order = torch.arange(self.total)
        else:
            order = torch.randperm(self.total, generator=seeded_generator(self.shuffle_seed, self.epoch))
        order = order.to(self.device)  # once: a copy per step would synchronize with a GPU
        return order.tensor_split(len(self))


@dataclass(eq=False)
class RehearsalSampler(EvenBatchSampler):
    """Adds other digits to each batch, `per_digit` for each of its digits. Their indices follow those of the first
    `total` digits. Each epoch takes random ones, none of them twice before all are taken."""

    per_digit: float = 0.0
    added_total: int = 1

    def batches(self) -> Sequence[Tensor]:
        assert self.shuffle_seed is not None
        generator = seeded_generator(self.shuffle_seed, self.epoch, REHEARSAL)
        order = torch.randperm(self.added_total, generator=generator).to(self.device)
        batches = []
        taken = 0
        for batch in super().batches():
            count = round(self.per_digit * len(batch))
            positions = torch.arange(taken, taken + count, device=batch.device) % self.added_total
            batches.append(torch.cat([batch, self.total + order[positions]]))
            taken += count
        return batches

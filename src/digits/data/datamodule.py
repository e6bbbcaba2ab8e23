"""From a source's digits to batches on the training device."""

from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from digits.data.sources import Digits, Source
from digits.data.splits import split
from digits.errors import InputError
from digits.seeding import seeded_generator


class DigitsDataModule(LightningDataModule):
    """Batches (images uint8 [B, 28, 28], labels int64 [B]) that already lie on the training device.

    `source` is a function of `digits.data.sources` and gets `source_options`. `split_seed` decides what is
    validation (see `digits.data.splits`), `seed` only the order of training.
    """

    def __init__(
        self,
        source: Callable[..., Source],
        *,
        batch_size: int,
        val_size: int | float,
        split_seed: int = 0,
        folds: int | None = None,
        fold: int = 0,
        seed: int = 0,
        **source_options: Any,
    ) -> None:
        super().__init__()
        try:
            signature(source).bind(**source_options)
        except TypeError as error:
            raise InputError(f"data: {error}") from None
        self.read_source = partial(source, **source_options)
        self.split = partial(split, val_size=val_size, seed=split_seed, folds=folds, fold=fold)
        self.batch_size = batch_size
        self.seed = seed
        self.source: Source | None = None
        self.digits: dict[str, Digits] = {}

    def prepare_data(self) -> None:
        """Reads the source, which may download it."""
        if not self.digits:
            self.source = self.source or self.read_source()

    def setup(self, stage: str) -> None:
        """Fills `digits`: `train`, and `val` and `test` where there are any."""
        if self.digits:
            return
        source, self.source = self.source or self.read_source(), None
        images, labels = source.train
        train, val = self.split(labels)
        parts = {"train": Digits(images[train], labels[train]), "val": Digits(images[val], labels[val])}
        if source.test:
            parts["test"] = source.test
        device = self.trainer.strategy.root_device if self.trainer else "cpu"
        self.digits = {
            name: Digits(images.to(device), labels.to(device))
            for name, (images, labels) in parts.items()
            if len(labels)
        }

    def train_dataloader(self) -> DataLoader[Digits]:
        return self._loader("train", self.batch_size, self.seed)

    def val_dataloader(self) -> DataLoader[Digits] | list[Any]:
        return self._loader("val", max(self.batch_size, 256)) if "val" in self.digits else []

    def test_dataloader(self) -> DataLoader[Digits]:
        return self._loader("test", max(self.batch_size, 256))

    def _loader(self, part: str, batch_size: int, shuffle_seed: int | None = None) -> DataLoader[Digits]:
        digits = self.digits[part]
        return DataLoader(
            TensorBatches(digits),
            sampler=BalancedBatchSampler(len(digits.labels), batch_size, shuffle_seed, digits.labels.device),
            batch_size=None,  # the sampler gives whole batches
            generator=torch.Generator(),  # a DataLoader draws from the global one otherwise
        )


class TensorBatches(Dataset[Digits]):
    """Answers a tensor of indices with their images and labels: one gather each, on the device that holds them all."""

    def __init__(self, digits: Digits) -> None:
        self.digits = digits

    def __getitem__(self, indices: Tensor) -> Digits:
        return Digits(self.digits.images[indices], self.digits.labels[indices])


class BalancedBatchSampler(Sampler[Tensor]):
    """Batches of indices that differ by at most one in size, so that no small remainder upsets batch
    normalisation. Several processes share each batch out: together they step as one process would, and every image
    is seen once, unlike with DistributedSampler, which repeats images until the processes come out even and so
    miscounts mistakes.

    With a `shuffle_seed` the order is a function of it and the epoch, whatever the number of processes. It goes to
    `device` once an epoch: a copy in every step would have a GPU waited for.
    """

    def __init__(
        self, total: int, batch_size: int, shuffle_seed: int | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.total = total
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.device = device
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.total // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        if self.shuffle_seed is None:
            order = torch.arange(self.total)
        else:
            order = torch.randperm(self.total, generator=seeded_generator(self.shuffle_seed, self.epoch))
        for batch in order.to(self.device).tensor_split(len(self)):
            yield batch.tensor_split(processes())[process()]


def processes() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def process() -> int:
    return dist.get_rank() if dist.is_initialized() else 0

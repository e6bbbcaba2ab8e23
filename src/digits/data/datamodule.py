"""The LightningDataModule: whole splits on the training device, indexed batch by batch."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from digits.data.pictures.choose import Predict
from digits.data.sampler import EvenBatchSampler, RehearsalSampler
from digits.data.sources import Digits, Source, sample
from digits.data.splits import split_indices
from digits.errors import InputError


class DigitsDataModule(LightningDataModule):
    """Batches (images uint8 [B, 28, 28], labels int64 [B]) on the training device.

    `source` is a function of `digits.data.sources`, called with `source_options`. `split_seed` decides the validation
    set (see `split_indices`), `seed` only the order of training. `rehearsal` digits of `sample` are added to a training
    batch for each of its digits. `judge` is a network that predicts digits, for sources that check their images with
    one. Raises InputError if `source` has no such option."""

    def __init__(  # noqa: PLR0913 - settings of a YAML file
        self,
        source: Callable[..., Source],
        *,
        batch_size: int,
        val_size: int | float,
        split_seed: int = 0,
        folds: int | None = None,
        fold: int = 0,
        seed: int = 0,
        rehearsal: float = 0.0,
        judge: Predict | None = None,
        **source_options: Any,
    ) -> None:
        super().__init__()
        try:
            signature(source).bind(**source_options)
        except TypeError as error:
            raise InputError(f"data: {error}") from None
        if "judge" in signature(source).parameters:
            source_options["judge"] = judge
        self.load_source = partial(source, **source_options)
        self.split_indices = partial(split_indices, val_size=val_size, seed=split_seed, folds=folds, fold=fold)
        self.batch_size = batch_size
        self.seed = seed
        self.rehearsal = rehearsal
        self.source: Source | None = None
        self.splits: dict[str, Digits] = {}
        self.val_indices = torch.empty(0, dtype=torch.int64)
        self.is_mnist = False

    def prepare_data(self) -> None:
        """Reads the source, and downloads it if necessary."""
        if self.source is None and not self.splits:
            self.source = self.load_source()

    def setup(self, stage: str) -> None:
        """Fills `splits` with `train` and, if they hold images, `val` and `test`. `val_indices` are the positions of
        the validation digits among all training digits of the source."""
        if self.splits:
            return
        source = self.source or self.load_source()
        self.source = None  # its memory is needed for the splits
        self.is_mnist = source.is_mnist
        train_indices, self.val_indices = self.split_indices(source.train.labels)
        self._add_split("train", source.train.select(train_indices))
        self._add_split("val", source.train.select(self.val_indices))
        if source.test:
            self._add_split("test", source.test)

    def _add_split(self, name: str, digits: Digits) -> None:
        """Moves the digits of a split to the training device. An empty split does not exist."""
        device = self.trainer.strategy.root_device if self.trainer else "cpu"
        if len(digits.labels):
            self.splits[name] = Digits(digits.images.to(device), digits.labels.to(device))

    def train_dataloader(self) -> DataLoader[Digits]:
        digits = self.splits["train"]
        total = len(digits.labels)
        device = digits.labels.device
        if self.rehearsal == 0:
            return _make_dataloader(digits, EvenBatchSampler(total, self.batch_size, self.seed, device))
        images, labels = sample().train
        added = Digits(images.to(device), labels.to(device))
        sampler = RehearsalSampler(
            total, self.batch_size, self.seed, device, per_digit=self.rehearsal, added_total=len(labels)
        )
        return _make_dataloader(digits.join(added), sampler)

    def val_dataloader(self) -> DataLoader[Digits] | list[Any]:
        if "val" not in self.splits:
            return []
        digits = self.splits["val"]
        sampler = EvenBatchSampler(len(digits.labels), self.eval_batch_size, device=digits.labels.device)
        return _make_dataloader(digits, sampler)

    @property
    def eval_batch_size(self) -> int:
        return max(self.batch_size, 256)


def _make_dataloader(digits: Digits, sampler: EvenBatchSampler) -> DataLoader[Digits]:
    return DataLoader(
        TensorBatches(digits),
        sampler=sampler,
        batch_size=None,  # the sampler yields whole batches
        generator=torch.Generator(),  # the default would draw from the global generator
    )


class TensorBatches(Dataset[Digits]):
    """Indexed with a tensor int64 [B], returns the whole batch: one gather on the device of the digits."""

    def __init__(self, digits: Digits) -> None:
        self.digits = digits

    def __getitem__(self, indices: Tensor) -> Digits:
        return self.digits.select(indices)

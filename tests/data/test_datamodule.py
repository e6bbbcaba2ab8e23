"""The data module: each image once per epoch, validation separate from the training seed."""

import torch
from helpers import made_digits

from digits.data.datamodule import DigitsDataModule
from digits.data.sources import Digits, Source, sample


def make_datamodule(**options: float) -> DigitsDataModule:
    source = Source(Digits(*made_digits(120)), Digits(*made_digits(30, seed=1)))
    datamodule = DigitsDataModule(lambda: source, **{"batch_size": 16, "val_size": 20} | options)  # type: ignore[arg-type]
    datamodule.prepare_data()
    datamodule.setup("fit")
    return datamodule


def test_batches_are_uint8_and_hold_each_image_once() -> None:
    datamodule = make_datamodule()
    train = list(datamodule.train_dataloader())
    assert [len(batch.labels) for batch in train] == [15, 15, 14, 14, 14, 14, 14]
    assert all(batch.images.dtype == torch.uint8 for batch in train)
    seen = [bytes(image) for batch in [*train, *datamodule.val_dataloader()] for image in batch.images.numpy()]
    assert sorted(seen) == sorted(map(bytes, made_digits(120)[0].numpy()))


def test_training_seed_does_not_change_the_split() -> None:
    one, other = make_datamodule(seed=0), make_datamodule(seed=1)
    for split in ("train", "val"):
        assert torch.equal(one.splits[split].images, other.splits[split].images)
    assert not torch.equal(next(iter(one.train_dataloader())).labels, next(iter(other.train_dataloader())).labels)
    assert not torch.equal(make_datamodule(split_seed=1).splits["val"].images, one.splits["val"].images)


def test_validation_is_optional() -> None:
    datamodule = make_datamodule(val_size=0)
    assert datamodule.val_dataloader() == []
    assert len(datamodule.splits["train"].labels) == 120


def test_rehearsed_digits_are_those_of_the_package_and_in_training_only() -> None:
    datamodule = make_datamodule(rehearsal=2.0)
    packaged = set(map(bytes, sample().train.images.numpy()))
    for batch, own in zip(datamodule.train_dataloader(), make_datamodule().train_dataloader(), strict=True):
        count = len(own.labels)
        assert torch.equal(batch.images[:count], own.images)
        assert len(batch.labels) == 3 * count
        assert packaged.issuperset(map(bytes, batch.images[count:].numpy()))
    [validation] = datamodule.val_dataloader()
    assert len(validation.labels) == 20

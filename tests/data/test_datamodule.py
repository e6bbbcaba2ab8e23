"""Batches: every image once an epoch, in an order that the seed and the epoch decide."""

import pytest
import torch
from helpers import made_digits

from digits.data import datamodule
from digits.data.datamodule import BalancedBatchSampler, DigitsDataModule
from digits.data.sources import Digits, Source


def made_source(count: int) -> Source:
    return Source(Digits(*made_digits(count)), Digits(*made_digits(30, seed=1)))


def make(**options: int) -> DigitsDataModule:
    module = DigitsDataModule(made_source, **{"batch_size": 16, "val_size": 20, "count": 120} | options)
    module.prepare_data()
    module.setup("fit")
    return module


def test_batches_are_whole_uint8_and_cover_each_image_once() -> None:
    module = make()
    train = list(module.train_dataloader())
    assert [len(batch.labels) for batch in train] == [15, 15, 14, 14, 14, 14, 14]
    assert all(batch.images.dtype == torch.uint8 for batch in train)
    seen = [bytes(image) for batch in [*train, *module.val_dataloader()] for image in batch.images.numpy()]
    assert sorted(seen) == sorted(map(bytes, made_digits(120)[0].numpy()))


def test_labels_stay_with_their_images() -> None:
    for images, labels in make().train_dataloader():
        assert torch.equal(images[:, 4:24:2].float().mean(2).argmax(1), labels)


def test_training_seed_leaves_the_split_alone() -> None:
    one, other = make(seed=0), make(seed=1)
    assert torch.equal(one.digits["val"].images, other.digits["val"].images)
    assert torch.equal(one.digits["train"].images, other.digits["train"].images)
    assert not torch.equal(next(iter(one.train_dataloader())).labels, next(iter(other.train_dataloader())).labels)
    assert not torch.equal(make(split_seed=1).digits["val"].images, one.digits["val"].images)


def test_nothing_is_held_out_on_request() -> None:
    module = make(val_size=0)
    assert module.val_dataloader() == []
    assert len(module.digits["train"].labels) == 120


def test_order_is_a_function_of_seed_and_epoch() -> None:
    batches = BalancedBatchSampler(50, 10, shuffle_seed=3)
    first = torch.cat(list(batches))
    torch.rand(1)
    assert torch.equal(torch.cat(list(batches)), first)
    batches.set_epoch(1)
    assert not torch.equal(torch.cat(list(batches)), first)


def test_order_is_decided_when_the_first_batch_is_asked_for() -> None:
    """Lightning tells a resumed run's epoch after it has made the iterator."""
    batches = BalancedBatchSampler(50, 10, shuffle_seed=3)
    iterator = iter(batches)
    batches.set_epoch(1)
    late = torch.cat(list(iterator))
    assert torch.equal(late, torch.cat(list(batches)))


@pytest.mark.parametrize("total", [96, 97, 100, 103, 5])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_processes_share_out_the_batches_of_one(monkeypatch: pytest.MonkeyPatch, total: int, count: int) -> None:
    whole = list(BalancedBatchSampler(total, 8, shuffle_seed=0))
    assert len(whole) == len(BalancedBatchSampler(total, 8))
    assert torch.cat(whole).sort().values.tolist() == list(range(total))
    assert max(map(len, whole)) <= 8
    assert max(map(len, whole)) - min(map(len, whole)) <= 1

    monkeypatch.setattr(datamodule, "processes", lambda: count)
    shares = []
    for rank in range(count):
        monkeypatch.setattr(datamodule, "process", lambda rank=rank: rank)
        shares.append(list(BalancedBatchSampler(total, 8, shuffle_seed=0)))
    for batch, *parts in zip(whole, *shares, strict=True):
        assert torch.equal(torch.cat(parts), batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1

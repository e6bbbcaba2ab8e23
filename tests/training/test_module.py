"""Augmentation, label smoothing and images without a digit apply to training only. Batch normalization can be
recomputed without them."""

from functools import partial

import torch
from helpers import made_digits
from torch import Tensor, nn

from digits.data.non_digits import NO_DIGIT, make_non_digits
from digits.data.sources import Digits
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.training.loss import TrainingLoss
from digits.training.module import DigitsModule

BATCH = Digits(*made_digits(20))


class Spy(nn.Module):
    """An augmentation that records the dtype of a product of its pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: list[torch.dtype] = []

    def forward(self, pixels: Tensor) -> Tensor:
        self.dtypes.append((pixels @ pixels).dtype)
        return pixels


def make_module(augment: nn.Module | None = None) -> DigitsModule:
    return DigitsModule(build_network("larger_cnn"), partial(torch.optim.SGD, lr=0.1), augment=augment)


def test_only_training_augments() -> None:
    spy = Spy()
    module = make_module(spy)
    module.validation_step(BATCH, 0)
    module(BATCH.images)
    assert spy.dtypes == []
    module.training_step(BATCH, 0)
    assert len(spy.dtypes) == 1


def test_augmentation_is_computed_in_float32() -> None:
    """In bfloat16 the coordinates of a pixel are off by up to a tenth of a pixel."""
    spy = Spy()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        make_module(spy).training_step(BATCH, 0)
    assert spy.dtypes == [torch.float32]


def test_label_smoothing_changes_the_loss_but_not_the_score() -> None:
    plain, smooth = make_module().eval(), make_module().eval()
    smooth.load_state_dict(plain.state_dict())
    smooth.loss = TrainingLoss(label_smoothing=0.3)
    assert plain.training_step(BATCH, 0) != smooth.training_step(BATCH, 0)
    assert plain.train_error.compute() == smooth.train_error.compute()


def test_precise_batch_norm_has_the_statistics_of_images_without_augmentation() -> None:
    spy = Spy()
    module = DigitsModule(build_network("compact_cnn"), partial(torch.optim.SGD, lr=0.1), augment=spy)
    images, _ = made_digits(300)
    module.recompute_batch_norm(images)
    assert spy.dtypes == []
    first_layer, first_norm = module.network[:2]
    means = [first_layer(scale_images(batch)).mean((0, 2, 3)) for batch in images.split(150)]
    torch.testing.assert_close(first_norm.running_mean, sum(means) / 2)
    assert module.training


def test_images_without_a_digit_are_pushed_towards_equal_probabilities() -> None:
    network = build_network("larger_cnn").eval()
    plain, doubting = (
        DigitsModule(network, partial(torch.optim.SGD, lr=0.1), non_digits=share) for share in (0.0, 0.2)
    )
    loss = plain.training_step(BATCH, 0)
    torch.manual_seed(0)
    mixed = doubting.training_step(BATCH, 0)
    torch.manual_seed(0)
    others = network(make_non_digits(scale_images(BATCH.images), 4)).log_softmax(1)
    torch.testing.assert_close(mixed, (20 * loss - others.mean(1).sum()) / 24)
    assert doubting.train_error.compute().total == 20


class Recorder(nn.Module):
    """An augmentation that needs labels and records what it gets."""

    needs_labels = True

    def forward(self, pixels: Tensor, labels: Tensor) -> Tensor:
        self.pixels, self.labels = pixels, labels
        return pixels


def test_an_augmentation_that_needs_labels_gets_them() -> None:
    """Only a 1, a 7 and a 9 get additional strokes."""
    recorder = Recorder()
    assert make_module(recorder).training_step(BATCH, 0).isfinite()
    assert torch.equal(recorder.labels, BATCH.labels)


def test_images_without_a_digit_are_augmented_with_the_digits() -> None:
    """Otherwise the texture of the edges tells them apart."""
    recorder = Recorder()
    module = make_module(recorder)
    module.non_digits = 0.2
    module.training_step(BATCH, 0)
    assert len(recorder.pixels) == 24
    assert recorder.labels[20:].tolist() == [NO_DIGIT] * 4

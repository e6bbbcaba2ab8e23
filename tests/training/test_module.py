"""One way of scaling, and augmentation in training only."""

from functools import partial

import pytest
import torch
from helpers import config, made_digits
from hydra.utils import instantiate
from torch import Tensor, nn

from digits.data.sources import Digits
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.training.module import DigitsModule


class Forbidden(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        raise AssertionError("augmented")


def make(augment: nn.Module | None = None) -> DigitsModule:
    return DigitsModule(build_network("larger_cnn"), partial(torch.optim.SGD, lr=0.1), augment=augment)


BATCH = Digits(*made_digits(20))


def test_pixels() -> None:
    pixels = scale_images(torch.tensor([[[0, 51, 255]]], dtype=torch.uint8))
    assert pixels.dtype == torch.float32
    assert pixels.tolist() == [[[[0, pytest.approx(0.2), 1]]]]


def test_only_training_augments() -> None:
    module = make(Forbidden())
    with pytest.raises(AssertionError, match="augmented"):
        module.training_step(BATCH, 0)
    module.validation_step(BATCH, 0)
    module.test_step(BATCH, 0)
    module(BATCH.images)


@pytest.mark.parametrize("choice", ["affine", "elastic"])
def test_augmentation_differs_from_image_to_image(choice: str) -> None:
    augment = instantiate(config(f"augment={choice}").augment, _convert_="all")
    torch.manual_seed(0)
    pixels = scale_images(BATCH.images[:1]).expand(16, -1, -1, -1)
    augmented = augment(pixels)
    assert augmented.shape == pixels.shape
    assert augmented.dtype == torch.float32
    assert augmented.min() >= 0
    assert augmented.max() <= 1
    different = (augmented[:, None] - augmented[None]).abs().amax((2, 3, 4)) > 0.1
    assert different.sum() == 16 * 15  # each from each other
    assert ((augmented - pixels).abs().amax((1, 2, 3)) > 0.1).all()


def test_augmentation_is_computed_in_float32() -> None:
    """In bfloat16 the coordinates of a pixel are off by up to a tenth of a pixel."""
    seen = []

    class Recorder(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            seen.append(pixels @ pixels)
            return pixels

    with torch.autocast("cpu", dtype=torch.bfloat16):
        make(Recorder()).training_step(BATCH, 0)
    assert seen[0].dtype == torch.float32


def test_label_smoothing_changes_the_loss_but_not_the_score() -> None:
    plain, smooth = make().eval(), make().eval()
    smooth.load_state_dict(plain.state_dict())
    smooth.label_smoothing = 0.3
    assert plain.training_step(BATCH, 0) != smooth.training_step(BATCH, 0)
    assert plain.training_error.compute() == smooth.training_error.compute()

"""The networks: each takes pixels float32 [N, 1, 28, 28] in [0, 1] and gives logits [N, 10].

Channels and features of the input are inferred, so that each function reads as the table of its paper.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from digits.errors import InputError


def to_pixels(images: Tensor) -> Tensor:
    """uint8 [N, 28, 28] to float32 [N, 1, 28, 28] in [0, 1]: the only place where digits are scaled."""
    return images.unsqueeze(1).float() / 255


def mlp() -> nn.Sequential:
    """J. Brownlee's baseline, machinelearningmastery.com: both layers drawn from N(0, 0.05)."""
    network = build(nn.Flatten(), dense(784), classes())
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.05)
            nn.init.zeros_(layer.bias)
    return network


def simple_cnn() -> nn.Sequential:
    """J. Brownlee's simple CNN."""
    return build_keras(
        conv(32, 5), nn.MaxPool2d(2), Dropout(0.2),
        nn.Flatten(), dense(128), classes(),
    )  # fmt: skip


def larger_cnn() -> nn.Sequential:
    """J. Brownlee's larger CNN."""
    return build_keras(
        conv(30, 5), nn.MaxPool2d(2),
        conv(15, 3), nn.MaxPool2d(2), Dropout(0.2),
        nn.Flatten(), dense(128), dense(50), classes(),
    )  # fmt: skip


def keras_cnn() -> nn.Sequential:
    """`mnist_cnn.py` of the Keras examples."""
    return build_keras(
        conv(32, 3), conv(64, 3), nn.MaxPool2d(2), Dropout(0.25),
        nn.Flatten(), dense(128), Dropout(0.5), classes(),
    )  # fmt: skip


def kaggle_cnn() -> nn.Sequential:
    """Y. Ghouzam, "Introduction to CNN Keras", Kaggle 2017."""
    return build_keras(
        conv(32, 5, "same"), conv(32, 5, "same"), nn.MaxPool2d(2), Dropout(0.25),
        conv(64, 3, "same"), conv(64, 3, "same"), nn.MaxPool2d(2), Dropout(0.25),
        nn.Flatten(), dense(256), Dropout(0.5), classes(),
    )  # fmt: skip


def conv28() -> nn.Sequential:
    """One convolution of 28 filters, with no activation after it."""
    return build_keras(
        nn.LazyConv2d(28, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(128), Dropout(0.2), classes(),
    )  # fmt: skip


def dropout_cnn() -> nn.Sequential:
    """Two convolutions and two dense layers with dropout: the network of the Adadelta pair."""
    return build_keras(
        conv(32, 5), nn.MaxPool2d(2),
        conv(64, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(128), Dropout(0.3), dense(64), Dropout(0.5), classes(),
    )  # fmt: skip


def m3() -> nn.Sequential:
    """S. An et al. 2020, arXiv:2008.10400: ten 3×3 convolutions."""
    return m_network(3, range(32, 177, 16))


def m5() -> nn.Sequential:
    """S. An et al. 2020: five 5×5 convolutions."""
    return m_network(5, range(32, 161, 32))


def m7() -> nn.Sequential:
    """S. An et al. 2020: four 7×7 convolutions."""
    return m_network(7, range(48, 193, 48))


def compact_cnn() -> nn.Sequential:
    """This project's own: the best error for the least arithmetic."""
    return build(
        conv_norm(32, 3, "same"), conv_norm(32, 3, "same"), nn.MaxPool2d(2),
        conv_norm(64, 3, "same"), conv_norm(64, 3, "same"), nn.MaxPool2d(2),
        conv_norm(128, 3, "same"), conv_norm(128, 3, "same"), GlobalMaxPool(),
        classes(),
    )  # fmt: skip


def fast_cnn() -> nn.Sequential:
    """The network of github.com/tuomaso/train_mnist_fast: 99 % after one epoch."""
    return build(
        conv(24, 5), nn.MaxPool2d(2),
        conv(32, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(256), classes(),
    )  # fmt: skip


NETWORKS: dict[str, Callable[..., nn.Sequential]] = {
    network.__name__: network
    for network in (
        mlp, simple_cnn, larger_cnn, keras_cnn, kaggle_cnn, conv28, dropout_cnn, m3, m5, m7, compact_cnn, fast_cnn
    )
}  # fmt: skip


def build_network(name: str, **options: Any) -> nn.Sequential:
    """The network of that name, freshly initialised from torch's global generator; `options` are its function's.

    Raises InputError if there is no such network, or no such option of it.
    """
    if name not in NETWORKS:
        raise InputError(f"model.name={name}: no such network; there are {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**options)
    except TypeError as error:
        raise InputError(f"model: {error}") from error


# The parts. A list stands for layers in a row.

Layers: TypeAlias = nn.Module | list[nn.Module]


def conv(channels: int, kernel: int, padding: str = "valid") -> Layers:
    return [nn.LazyConv2d(channels, kernel, padding=padding), nn.ReLU(inplace=True)]  # type: ignore[arg-type]


def conv_norm(channels: int, kernel: int, padding: str = "valid") -> Layers:
    return [nn.LazyConv2d(channels, kernel, padding=padding, bias=False), nn.LazyBatchNorm2d(), nn.ReLU(inplace=True)]  # type: ignore[arg-type]


def dense(features: int) -> Layers:
    return [nn.LazyLinear(features), nn.ReLU(inplace=True)]


def classes() -> Layers:
    return nn.LazyLinear(10)


def m_network(kernel: int, channels: range) -> nn.Sequential:
    return build(
        ToPlusMinusOne(),
        *(conv_norm(count, kernel) for count in channels),
        nn.Flatten(), nn.LazyLinear(10, bias=False), nn.LazyBatchNorm1d(),
    )  # fmt: skip


class ToPlusMinusOne(nn.Module):
    """[0, 1] to [−1, 1]."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels * 2 - 1


class Dropout(nn.Dropout):
    """nn.Dropout, whose random numbers are most of its time on a CPU: there one of 15 bits a value is drawn instead, an
    eighth of the time, and `p` is met within 1/65536."""

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or features.device.type != "cpu":
            return super().forward(features)
        dropped = round(self.p * 2**15)
        kept = torch.empty_like(features, dtype=torch.int16).random_() >= dropped
        return features * kept.to(features.dtype).mul_(2**15 / (2**15 - dropped))


class GlobalMaxPool(nn.Module):
    """[N, C, H, W] to [N, C]."""

    def forward(self, features: Tensor) -> Tensor:
        return features.amax((2, 3))


def build(*layers: Layers) -> nn.Sequential:
    """The layers in a row, their input sizes inferred, with PyTorch's initialisation and channels-last weights."""
    flat = [layer for part in layers for layer in (part if isinstance(part, list) else [part])]
    for place, pair in enumerate(pairwise(flat)):  # the same maximum, and ReLU has a quarter of the values to do
        if isinstance(pair[0], nn.ReLU) and isinstance(pair[1], nn.MaxPool2d):
            flat[place : place + 2] = reversed(pair)
    network = nn.Sequential(*flat)
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, 28, 28))
    return network.train().to(memory_format=torch.channels_last)


def build_keras(*layers: Layers) -> nn.Sequential:
    """As `build`, with Keras's initialisation: Glorot uniform weights, zero biases."""
    network = build(*layers)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network

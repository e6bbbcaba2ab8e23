"""The layers that the networks are made of."""

from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor, nn


def scale_images(images: Tensor) -> Tensor:
    """uint8 [N, 28, 28] to float32 [N, 1, 28, 28] in [0, 1]: the only place where digits are scaled."""
    return images.unsqueeze(1).float() / 255


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

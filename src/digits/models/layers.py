"""The layers of the networks. Input channels and features are inferred from the data."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

from digits.models import fourier

Layers: TypeAlias = nn.Module | list[nn.Module]
"""One layer, or several in a row."""


def scale_images(images: Tensor) -> Tensor:
    """uint8 [N, 28, 28] to float32 [N, 1, 28, 28] in [0, 1]: the only place where digits are scaled."""
    return images.unsqueeze(1).float() / 255


class Conv2d(nn.Conv2d):
    """nn.Conv2d that chooses the faster of two algorithms (see `digits.models.fourier`)."""

    def forward(self, images: Tensor) -> Tensor:
        is_dense = self.stride == self.dilation == (1, 1) and self.groups == 1
        if is_dense and self.padding in ("same", "valid") and fourier.is_faster(images, self.weight):
            padding = self.weight.shape[-1] // 2 if self.padding == "same" else 0
            return fourier.fourier_conv2d(images, self.weight, self.bias, padding)
        features: Tensor = super().forward(images)
        return features


class LazyConv2d(nn.LazyConv2d):
    cls_to_become = Conv2d


def conv(channels: int, kernel: int, padding: str = "valid") -> Layers:
    convolution = LazyConv2d(channels, kernel, padding=padding)  # type: ignore[arg-type]
    return [convolution, nn.ReLU(inplace=True)]


def conv_norm(channels: int, kernel: int, padding: str = "valid") -> Layers:
    convolution = LazyConv2d(channels, kernel, padding=padding, bias=False)  # type: ignore[arg-type]
    norm = nn.LazyBatchNorm2d()
    return [convolution, norm, nn.ReLU(inplace=True)]


def dense(features: int) -> Layers:
    return [nn.LazyLinear(features), nn.ReLU(inplace=True)]


def output_layer() -> Layers:
    return nn.LazyLinear(10)


class RescaleToMinusOneOne(nn.Module):
    """[0, 1] to [−1, 1]."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels * 2 - 1


class FastDropout(nn.Dropout):
    """nn.Dropout that draws 15-bit integers on a CPU instead of Bernoulli samples: eight times as fast. The probability
    is exact to 1/65536."""

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


def sequential(*layers: Layers) -> nn.Sequential:
    """The layers in a row, with PyTorch's initialization and channels-last weights.

    ReLU moves behind max-pooling: the result is the same, and it has a quarter of the values to compute."""
    flat: list[nn.Module] = []
    for part in layers:
        flat += part if isinstance(part, list) else [part]
    for index in range(len(flat) - 1):
        first, second = flat[index : index + 2]
        if isinstance(first, nn.ReLU) and isinstance(second, nn.MaxPool2d):
            flat[index : index + 2] = [second, first]
    network = nn.Sequential(*flat)
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, 28, 28))
    return network.train().to(memory_format=torch.channels_last)


def keras_sequential(*layers: Layers) -> nn.Sequential:
    """`sequential` with Keras's initialization: Glorot uniform weights, zero biases."""
    network = sequential(*layers)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network

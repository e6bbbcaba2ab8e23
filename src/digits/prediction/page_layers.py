"""The layers of a network as page/network.js computes them."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from digits.errors import InputError
from digits.models.layers import GlobalMaxPool, RescaleToMinusOneOne
from digits.prediction.checkpoint_member import CheckpointMember

Description: TypeAlias = dict[str, Any]
"""The type of a layer, its sizes, and the numbers of its weights and outputs."""


def describe_member(member: CheckpointMember, weights: list[Tensor]) -> Description:
    """The temperature and the layers of a member on the CPU for network.js. Appends their weights, in the order in
    which it reads them.

    Raises InputError for a layer that network.js cannot compute."""
    layers = []
    features = torch.zeros(1, 1, 28, 28)
    order = None  # of flattened features: JavaScript has the channels last
    for layer in _layers(member.module.network):
        if isinstance(layer, nn.Identity | nn.Dropout):  # does nothing in evaluation
            continue
        description = _describe(layer, order, weights)
        if description is None:
            raise InputError(f"page: {member.name} has the layer {type(layer).__name__}, which the page cannot compute")
        layers.append(description)
        if isinstance(layer, nn.Flatten) and features.dim() > 2:
            order = torch.arange(features.numel()).view(features.shape[1:]).movedim(0, -1).flatten()
        elif isinstance(layer, nn.Linear):
            order = None
        features = layer(features)
    return {"temperature": member.module.temperature or 1.0, "layers": layers}


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    if type(network) is nn.Sequential:  # a subclass may have another forward
        for layer in network:
            yield from _layers(layer)
    else:
        yield network


def _describe(layer: nn.Module, order: Tensor | None, weights: list[Tensor]) -> Description | None:
    """One layer. None if the page cannot compute it."""
    match layer:
        case nn.Conv2d(groups=1, dilation=(1, 1), padding_mode="zeros"):
            return _describe_convolution(layer, weights)
        case nn.Linear():
            columns = layer.weight if order is None else layer.weight[:, order]
            weights += [columns, _bias(layer)]
            return {"type": "dense", "weights": layer.weight.numel(), "outputs": layer.out_features}
        case nn.BatchNorm1d() | nn.BatchNorm2d() if order is None:
            return _describe_batch_norm(layer, weights)
        case RescaleToMinusOneOne():
            return _describe_scale(torch.tensor([2.0]), torch.tensor([-1.0]), weights)
        case nn.ReLU():
            return {"type": "relu"}
        case nn.Flatten(start_dim=1, end_dim=-1):
            return {"type": "flatten"}
        case GlobalMaxPool():
            return {"type": "maxpool"}
        case nn.MaxPool2d(padding=0, dilation=1, ceil_mode=False):
            return {"type": "maxpool", "size": _pair(layer.kernel_size), "stride": _pair(layer.stride)}
    return None


def _describe_convolution(layer: nn.Conv2d, weights: list[Tensor]) -> Description:
    weights += [layer.weight.permute(0, 2, 3, 1), _bias(layer)]
    return {
        "type": "conv", "kernel": layer.kernel_size, "stride": layer.stride, "padding": _padding(layer),
        "weights": layer.weight.numel(), "outputs": layer.out_channels,
    }  # fmt: skip


def _padding(layer: nn.Conv2d) -> list[int]:
    """Top, bottom, left and right."""
    if layer.padding == "same":
        height, width = layer.kernel_size
        return [(height - 1) // 2, height // 2, (width - 1) // 2, width // 2]
    rows, columns = (0, 0) if isinstance(layer.padding, str) else layer.padding
    return [rows, rows, columns, columns]


def _describe_batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, weights: list[Tensor]) -> Description | None:
    if layer.running_mean is None or layer.running_var is None:
        return None
    scale = (layer.running_var + layer.eps).rsqrt()
    if layer.weight is not None:
        scale = scale * layer.weight
    shift = -layer.running_mean * scale
    if layer.bias is not None:
        shift = layer.bias + shift
    return _describe_scale(scale, shift, weights)


def _describe_scale(scale: Tensor, shift: Tensor, weights: list[Tensor]) -> Description:
    weights += [scale, shift]
    return {"type": "scale", "weights": len(scale), "outputs": len(shift)}


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    return layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias


def _pair(size: int | tuple[int, ...]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)

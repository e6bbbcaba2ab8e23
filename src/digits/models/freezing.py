"""Layers that keep their weights in a training."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from digits.errors import InputError


def freeze_layers(network: nn.Module, count: int) -> None:
    """Freezes the first `count` layers with weights, convolutions and dense layers, in the order of the network's
    table, each with its normalization.

    Raises InputError if no layer would be left to train."""
    layers = _layers_with_weights(network)
    if count >= len(layers):
        raise InputError(
            f"freeze={count}: the network has {len(layers)} layers with weights; choose 0 to {len(layers) - 1}"
        )
    for layer in layers[:count]:
        for part in layer:
            part.requires_grad_(False)


def batch_norms(network: nn.Module) -> list[nn.Module]:
    """The layers whose statistics a training changes."""
    return [layer for layer in network.modules() if isinstance(layer, BatchNorm)]


def _layers_with_weights(network: nn.Module) -> list[list[nn.Module]]:
    """Each layer with weights, followed by its normalization."""
    layers: list[list[nn.Module]] = []
    for module in network.modules():
        has_weights = any(True for _ in module.parameters(recurse=False))
        if not has_weights:
            continue
        if isinstance(module, BatchNorm | nn.LayerNorm | nn.GroupNorm) and layers:
            layers[-1].append(module)
        else:
            layers.append([module])
    return layers

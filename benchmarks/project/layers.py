"""This project: one convolution of a network, forward and backward: milliseconds for 128 images, and its operations per
second in percent of those of matrix products in the same precision."""

import argparse

import torch
from torch import Tensor, nn

from benchmarks.project.epoch import BATCH, DEVICE, PRECISION, Stopwatch, build_module, matrix_rate
from benchmarks.worker import serve_rounds
from digits.prediction.checkpoint_member import AUTOCAST


def measure() -> dict[str, float]:
    """The best of 20 repetitions."""
    best: dict[str, float] = {}
    for _ in range(20):
        stopwatch = Stopwatch()
        with torch.autocast(DEVICE.type, **AUTOCAST[PRECISION]):
            output = layer(pixels)
        stopwatch("forward")
        torch.autograd.grad(output, needed, torch.ones_like(output))
        stopwatch("backward")
        best = {part: min(seconds, best.get(part, seconds)) for part, seconds in stopwatch.seconds.items()}
    rate = matrix_rate()
    flops = {"forward": forward_flops, "backward": forward_flops * (2 if pixels.requires_grad else 1)}
    return {f"{part} ms": 1e3 * seconds for part, seconds in best.items()} | {
        f"{part} %": 100 * flops[part] / seconds / rate for part, seconds in best.items()
    }


def layer_and_shape(model: str, index: int) -> tuple[nn.Conv2d, torch.Size]:
    """The convolution with this index, and the shape of its input for a batch."""
    network = build_module(model).network
    layer = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][index]
    shapes: list[torch.Size] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    network(torch.zeros(BATCH, 1, 28, 28, device=DEVICE))
    hook.remove()
    return layer, shapes[0]


parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("index", type=int)
options = parser.parse_args()
layer, shape = layer_and_shape(options.model, options.index)
pixels = torch.randn(shape, device=DEVICE).to(memory_format=torch.channels_last).requires_grad_(options.index > 0)
needed: list[Tensor] = [*layer.parameters(), *([pixels] if pixels.requires_grad else [])]
with torch.no_grad():
    output_shape = layer(pixels).shape
forward_flops = 2 * output_shape.numel() * layer.weight[0].numel()
measure()
serve_rounds(measure)

"""Digits itself against the hardware. A turn measures the rate of matrix products and of training a network, in FLOP/s
and in the same precision, and the share of each part in the seconds of a step.

The parts are those of a bare PyTorch loop; what Lightning's loop takes beyond them, metrics included, is `framework`.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.ours.epoch import DEVICE, PRECISION, epoch_seconds, fresh_module, made_data
from benchmarks.peers.turns import take_turns
from digits.devices import synchronize
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.prediction.classifier import AUTOCAST
from digits.training.module import DigitsModule

BATCH = 128


class Stopwatch:
    """Adds up the seconds since it was last asked under a name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def __call__(self, part: str) -> None:
        synchronize(DEVICE)
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self.last
        self.last = now


def matrix_rate(size: int = 2048) -> float:
    """FLOP/s of square matrix products, the best of ten."""
    one = torch.randn(size, size, dtype=torch.bfloat16 if PRECISION == "bf16-mixed" else torch.float32, device=DEVICE)
    rates = []
    for _ in range(10):
        watch = Stopwatch()
        one @ one
        watch("product")
        rates.append(2 * size**3 / watch.seconds["product"])
    return max(rates)


def operations() -> int:
    """Floating-point operations of a training step: its convolutions and matrix products, forward and backward."""
    network = build_network(options.model)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(network(torch.zeros(BATCH, 1, 28, 28)), torch.zeros(BATCH, dtype=torch.int64)).backward()
    return int(counter.get_total_flops())


def bare_loop(module: DigitsModule) -> dict[str, float]:
    """Seconds of each part of an epoch."""
    optimizer = module.make_optimizer(module.network.parameters())
    watch = Stopwatch()
    for images, labels in datamodule.train_dataloader():
        watch("data")
        pixels = module.augment(scale_images(images))
        watch("augmentation")
        with torch.autocast(DEVICE.type, **AUTOCAST[PRECISION]):
            loss = F.cross_entropy(module.network(pixels), labels)
        watch("forward")
        optimizer.zero_grad()
        loss.backward()
        watch("backward")
        optimizer.step()
        watch("optimizer")
    return watch.seconds


def turn() -> dict[str, float]:
    parts = bare_loop(fresh_module(options.model))
    seconds = epoch_seconds(fresh_module(options.model), datamodule)
    parts["framework"] = seconds - sum(parts.values())
    work, possible = operations() * options.steps, matrix_rate()
    return {
        "images/s": options.steps * BATCH / seconds,
        "GFLOP/s": work / seconds / 1e9,
        "products": possible / 1e9,
        "share %": 100 * work / seconds / possible,
        **{f"{part} %": 100 * taken / seconds for part, taken in parts.items()},
    }


parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("model")
options = parser.parse_args()
datamodule = made_data(options.steps * BATCH, BATCH)
turn()
take_turns(turn)

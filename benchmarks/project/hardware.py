"""This project against the hardware: FLOP/s of matrix products and of training a network in the same precision, and the
share of each part in the seconds of a step.

The parts are measured in a bare PyTorch loop. `framework` is the additional time of Lightning's loop, with metrics."""

import argparse
import time

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.project.epoch import DEVICE, PRECISION, build_module, random_data, train_epoch
from benchmarks.worker import serve_rounds
from digits.devices import synchronize
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.prediction.members import AUTOCAST
from digits.training.module import DigitsModule

BATCH = 128


class Stopwatch:
    """Adds the seconds since its last call to the part that is named."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def __call__(self, part: str) -> None:
        synchronize(DEVICE)
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self.last
        self.last = now


def measure() -> dict[str, float]:
    parts = bare_loop(build_module(options.model))
    seconds = train_epoch(build_module(options.model), datamodule)
    parts["framework"] = seconds - sum(parts.values())
    achieved, possible = step_flops() * options.steps / seconds, matrix_rate()
    return {
        "images/s": options.steps * BATCH / seconds,
        "GFLOP/s": achieved / 1e9,
        "products": possible / 1e9,
        "share %": 100 * achieved / possible,
        **{f"{part} %": 100 * part_seconds / seconds for part, part_seconds in parts.items()},
    }


def bare_loop(module: DigitsModule) -> dict[str, float]:
    """Trains one epoch in plain PyTorch. Returns the seconds of each part."""
    optimizer = module.optimizer_factory(module.network.parameters())
    stopwatch = Stopwatch()
    for images, labels in datamodule.train_dataloader():
        stopwatch("data")
        pixels = module.augment(scale_images(images))
        stopwatch("augmentation")
        with torch.autocast(DEVICE.type, **AUTOCAST[PRECISION]):
            loss = F.cross_entropy(module.network(pixels), labels)
        stopwatch("forward")
        optimizer.zero_grad()
        loss.backward()
        stopwatch("backward")
        optimizer.step()
        stopwatch("optimizer")
    return stopwatch.seconds


def step_flops() -> int:
    """Floating-point operations of a training step: convolutions and matrix products, forward and backward."""
    network = build_network(options.model)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(network(torch.zeros(BATCH, 1, 28, 28)), torch.zeros(BATCH, dtype=torch.int64)).backward()
    return int(counter.get_total_flops())


def matrix_rate(size: int = 2048) -> float:
    """FLOP/s of square matrix products, the best of ten."""
    dtype = torch.bfloat16 if PRECISION == "bf16-mixed" else torch.float32
    matrix = torch.randn(size, size, dtype=dtype, device=DEVICE)
    seconds = []
    for _ in range(10):
        stopwatch = Stopwatch()
        matrix @ matrix
        stopwatch("product")
        seconds.append(stopwatch.seconds["product"])
    return 2 * size**3 / min(seconds)


parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("model")
options = parser.parse_args()
datamodule = random_data(options.steps * BATCH, BATCH)
measure()
serve_rounds(measure)

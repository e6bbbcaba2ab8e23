"""This project against the hardware: FLOP/s of matrix products and of training a network in the same precision, and the
share of each part in the seconds of a step.

The parts are measured in a bare PyTorch loop. `framework` is the additional time of Lightning's loop, with metrics."""

import argparse

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.project.epoch import (
    BATCH,
    DEVICE,
    PRECISION,
    Stopwatch,
    build_module,
    matrix_rate,
    random_data,
    train_epoch,
)
from benchmarks.worker import serve_rounds
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.prediction.checkpoint_member import AUTOCAST
from digits.training.module import DigitsModule


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
    network = build_network(options.model).to("meta")
    pixels, labels = torch.zeros(BATCH, 1, 28, 28, device="meta"), torch.zeros(BATCH, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(network(pixels), labels).backward()
    return int(counter.get_total_flops())


parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("model")
options = parser.parse_args()
datamodule = random_data(options.steps * BATCH, BATCH)
measure()
serve_rounds(measure)

"""Digits itself against the hardware. A turn measures the rate of matrix products and of training a network, in FLOP/s
and in the same precision, and the share of each part in the seconds of a step.

The parts are those of a bare PyTorch loop; what Lightning's loop takes beyond them, metrics included, is `framework`.
"""

import argparse
import logging
import time
import warnings
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.contest import PROJECT
from benchmarks.peers.turns import take_turns
from digits import cli as _resolvers  # noqa: F401
from digits.classifier import AUTOCAST
from digits.datamodule import DigitsDataModule
from digits.devices import best_precision, synchronize
from digits.module import DigitClassifier
from digits.networks import build_network, to_pixels
from digits.sources import Digits, Source

BATCH = 128


class Stopwatch:
    """Adds up the seconds since it was last asked under a name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def __call__(self, part: str) -> None:
        synchronize(device)
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self.last
        self.last = now


class TimeEpoch(Callback):
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        synchronize(device)
        self.seconds = time.perf_counter() - self.began


def made_source(total: int) -> Source:
    """Random digits: the time of a step does not depend on them."""
    images = torch.randint(0, 256, (total, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Source(Digits(images, torch.arange(total) % 10), None)


def matrix_rate(size: int = 2048) -> float:
    """FLOP/s of square matrix products, the best of ten."""
    one = torch.randn(size, size, dtype=torch.bfloat16 if precision == "bf16-mixed" else torch.float32, device=device)
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


def bare_loop(module: DigitClassifier) -> dict[str, float]:
    """Seconds of each part of an epoch."""
    optimizer = module.make_optimizer(module.network.parameters())
    watch = Stopwatch()
    for images, labels in datamodule.train_dataloader():
        watch("data")
        pixels = module.augment(to_pixels(images))
        watch("augmentation")
        with torch.autocast(device.type, **AUTOCAST[precision]):
            loss = F.cross_entropy(module.network(pixels), labels)
        watch("forward")
        optimizer.zero_grad()
        loss.backward()
        watch("backward")
        optimizer.step()
        watch("optimizer")
    return watch.seconds


def lightning_loop(module: DigitClassifier) -> float:
    """Seconds of an epoch."""
    timer = TimeEpoch()
    trainer = Trainer(
        accelerator=device.type,
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=1,
        callbacks=[timer],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule)
    return timer.seconds


def fresh_module() -> DigitClassifier:
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        config: Any = compose("train", [f"model={options.model}"])
    network = build_network(options.model)
    augment = instantiate(config.augment, _convert_="all")
    optimizer = instantiate(config.optimizer, _convert_="all")
    return DigitClassifier(network, optimizer, augment=augment).to(device)


def turn() -> dict[str, float]:
    parts = bare_loop(fresh_module())
    seconds = lightning_loop(fresh_module())
    parts["framework"] = seconds - sum(parts.values())
    achieved, possible = operations() * options.steps / seconds, matrix_rate()
    return {
        "images/s": options.steps * BATCH / seconds,
        "GFLOP/s": achieved / 1e9,
        "products": possible / 1e9,
        "share": achieved / possible,
        "in the network": operations() * options.steps / (parts["forward"] + parts["backward"]) / possible,
        **{part: taken / seconds for part, taken in parts.items()},
    }


parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("model")
options = parser.parse_args()
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.simplefilter("ignore")
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
precision = best_precision("auto")
datamodule = DigitsDataModule(partial(made_source, options.steps * BATCH), batch_size=BATCH, val_size=0)
datamodule.prepare_data()
datamodule.setup("fit")
datamodule.digits = {name: Digits(*(part.to(device) for part in digits)) for name, digits in datamodule.digits.items()}
take_turns(turn)

"""One epoch of training on random images, with the module, data module and Trainer of `train.py`."""

import logging
import time
import warnings
from functools import partial

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.project.composed import compose_train
from digits.data.datamodule import DigitsDataModule
from digits.data.sources import Digits, Source
from digits.devices import default_precision, synchronize
from digits.host import keep_freed_memory
from digits.instantiation import build
from digits.models.networks import build_network
from digits.training.module import DigitsModule

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.simplefilter("ignore")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
keep_freed_memory()
PRECISION = default_precision("auto")
BATCH = 128


def train_epoch(module: DigitsModule, datamodule: DigitsDataModule) -> float:
    """Trains one epoch. Returns its seconds."""
    timer = EpochTimer()
    trainer = Trainer(
        accelerator=DEVICE.type,
        devices=1,
        precision=PRECISION,  # type: ignore[arg-type]
        max_epochs=1,
        callbacks=[timer],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, datamodule)
    return timer.seconds


class EpochTimer(Callback):
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started_at = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        synchronize(DEVICE)
        self.seconds = time.perf_counter() - self.started_at


def build_module(model: str, *overrides: str) -> DigitsModule:
    config = compose_train(f"model={model}", "optimizer=adamw", *overrides)  # as in all records
    optimizer_factory = build(config["optimizer"], "optimizer")
    augment = build(config["augment"], "augment")
    return DigitsModule(build_network(model), optimizer_factory, augment=augment).to(DEVICE)


def random_data(total: int, batch_size: int) -> DigitsDataModule:
    """Random images: the time of a step does not depend on their content."""
    datamodule = DigitsDataModule(partial(_random_source, total), batch_size=batch_size, val_size=0)
    datamodule.prepare_data()
    datamodule.setup("fit")
    datamodule.splits = {"train": Digits(*(tensor.to(DEVICE) for tensor in datamodule.splits["train"]))}
    return datamodule


def _random_source(total: int) -> Source:
    images = torch.randint(0, 256, (total, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Source(Digits(images, torch.arange(total) % 10), None)


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

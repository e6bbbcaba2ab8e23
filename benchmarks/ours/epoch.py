"""An epoch of training on made digits, as `train.py` does it, and its seconds."""

import logging
import time
import warnings
from functools import partial
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.contest import PROJECT
from digits.cli.app import app as _resolvers  # noqa: F401
from digits.data.datamodule import DigitsDataModule
from digits.data.sources import Digits, Source
from digits.devices import default_precision, keep_freed_memory, synchronize
from digits.models.networks import build_network
from digits.training.module import DigitsModule

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.simplefilter("ignore")
keep_freed_memory()
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PRECISION = default_precision("auto")


class TimeEpoch(Callback):
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        synchronize(DEVICE)
        self.seconds = time.perf_counter() - self.began


def made_data(total: int, batch_size: int) -> DigitsDataModule:
    """Random digits: the time of a step does not depend on them."""
    datamodule = DigitsDataModule(partial(_made_source, total), batch_size=batch_size, val_size=0)
    datamodule.prepare_data()
    datamodule.setup("fit")
    datamodule.digits = {
        name: Digits(*(part.to(DEVICE) for part in digits)) for name, digits in datamodule.digits.items()
    }
    return datamodule


def _made_source(total: int) -> Source:
    images = torch.randint(0, 256, (total, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Source(Digits(images, torch.arange(total) % 10), None)


def fresh_module(model: str, *overrides: str) -> DigitsModule:
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        config: Any = compose("train", [f"model={model}", *overrides])
    augment = instantiate(config.augment, _convert_="all")
    optimizer = instantiate(config.optimizer, _convert_="all")
    return DigitsModule(build_network(model), optimizer, augment=augment).to(DEVICE)


def epoch_seconds(module: DigitsModule, datamodule: DigitsDataModule) -> float:
    timer = TimeEpoch()
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

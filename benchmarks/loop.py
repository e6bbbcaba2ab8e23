"""What Lightning's loop costs over a bare PyTorch loop of the same steps: `python -m benchmarks.loop`.

Both train `kaggle_cnn` on the same batches of 128 digits with the same optimizer and precision, in turn, several times
each; the first turn of each is not counted. The digits are random: the time of a step does not depend on them."""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer

from digits.datamodule import DigitsDataModule
from digits.devices import best_precision, device_name, synchronize
from digits.module import DigitClassifier
from digits.networks import build_network, to_pixels
from digits.sources import Digits, Source

OPTIMIZER = partial(torch.optim.RMSprop, lr=1e-3, alpha=0.9)


def made_source(steps: int) -> Source:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (steps * 128, 28, 28), dtype=torch.uint8, generator=generator)
    return Source(Digits(images, torch.arange(steps * 128) % 10), None)


def lightning_loop(datamodule: DigitsDataModule, device: torch.device, precision: str) -> None:
    trainer = Trainer(
        accelerator=device.type,
        devices=1,
        precision=precision,
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(DigitClassifier(build_network("kaggle_cnn"), OPTIMIZER), datamodule)


def bare_loop(datamodule: DigitsDataModule, device: torch.device, precision: str) -> None:
    network = build_network("kaggle_cnn").to(device)
    optimizer = OPTIMIZER(network.parameters())
    for images, labels in datamodule.train_dataloader():
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = F.cross_entropy(network(to_pixels(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def seconds(loop: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    loop()
    synchronize(device)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100, help="of each loop in each turn")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.simplefilter("ignore")

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = best_precision("auto")
    datamodule = DigitsDataModule(made_source, batch_size=128, val_size=0, steps=arguments.steps)
    datamodule.prepare_data()
    datamodule.setup("fit")
    loops = [partial(loop, datamodule, device, precision) for loop in (lightning_loop, bare_loop)]
    times = [[seconds(loop, device) for loop in loops] for _ in range(arguments.turns + 1)][1:]

    images = arguments.steps * 128
    print(
        f"{device_name(device)}, {precision}, kaggle_cnn, batch 128, {arguments.turns} turns of {arguments.steps} steps"
    )
    for name, column in zip(("Lightning", "bare loop"), zip(*times, strict=True), strict=True):
        rate = images / statistics.median(column)
        print(f"{name}: median {statistics.median(column):.2f} s, {rate:,.0f} images/s")
    ratios = [lightning / bare for lightning, bare in times]
    print(f"Lightning / bare loop: median {statistics.median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})")


if __name__ == "__main__":
    main()

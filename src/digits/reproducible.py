"""Randomness as a function of the seed and the epoch, so that a resumed run draws what an uninterrupted one does."""

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything


def seed_all(seed: int) -> None:
    """Seeds every global generator, and has CUDA choose convolutions that repeat themselves bit for bit."""
    seed_everything(seed, verbose=False)
    torch.backends.cudnn.deterministic = True


def generator(*key: int) -> torch.Generator:
    """A generator for this key, e.g. (seed, epoch)."""
    return torch.Generator().manual_seed(_mix(*key))


class SeedEachEpoch(Callback):
    """Seeds the global generators (dropout, augmentation) anew for each epoch and process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.manual_seed(_mix(self.seed, trainer.current_epoch, trainer.global_rank))


def _mix(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1)[0])

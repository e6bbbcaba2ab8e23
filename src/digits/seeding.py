"""Randomness as a function of the seed and the epoch, so that a resumed run draws what an uninterrupted one does."""

import numpy as np
import torch
from lightning import pytorch as pl


def seed_everything(seed: int) -> None:
    """Seeds every global generator, and has CUDA choose convolutions that repeat themselves bit for bit."""
    pl.seed_everything(seed, verbose=False)
    torch.backends.cudnn.deterministic = True


def seeded_generator(*key: int) -> torch.Generator:
    """A generator for this key, e.g. (seed, epoch)."""
    return torch.Generator().manual_seed(derive_seed(*key))


def derive_seed(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1)[0])

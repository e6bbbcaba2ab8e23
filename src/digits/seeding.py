"""Random numbers as a function of seed and epoch: a resumed run draws the same numbers as an uninterrupted one."""

import numpy as np
import torch
from lightning import pytorch as pl


def seed_everything(seed: int) -> None:
    """Seeds all global generators, and makes CUDA choose deterministic convolutions."""
    pl.seed_everything(seed, verbose=False)
    torch.backends.cudnn.deterministic = True


def seeded_generator(*key: int) -> torch.Generator:
    """A generator for a key such as (seed, epoch)."""
    return torch.Generator().manual_seed(derive_seed(*key))


def derive_seed(*key: int) -> int:
    """A seed for a key such as (seed, epoch)."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])

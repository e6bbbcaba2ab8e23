"""Which images are for validation: decided by a seed of its own, never by the global generator."""

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import InputError


def split(
    labels: Tensor, *, val_size: int | float, seed: int, folds: int | None = None, fold: int = 0
) -> tuple[Tensor, Tensor]:
    """Indices int64 of the training and the validation images among `labels` int64 [N]: disjoint, together
    all N, classes in the same proportions in both. `val_size` is a count, or a fraction below 1; with `folds`
    the validation set is part `fold` of that many equal parts instead.

    Raises InputError if nothing would be left to train on, or a fold is out of range.
    """
    order = stratified_permutation(labels, seed)
    if folds is not None:
        if not 2 <= folds <= len(order):
            raise InputError(f"data.folds={folds}: must be between 2 and the number of images, {len(order):,}")
        if not 0 <= fold < folds:
            raise InputError(f"data.fold={fold}: with data.folds={folds} it must be between 0 and {folds - 1}")
        parts = list(order.tensor_split(folds))
        val = parts.pop(fold)
        return torch.cat(parts), val

    count = round(val_size * len(order)) if isinstance(val_size, float) else val_size
    if not 0 <= count < len(order) or (count == 0 and val_size > 0):
        raise InputError(
            f"data.val_size={val_size}: must be a count from 0 to {len(order) - 1:,} "
            f"(there are {len(order):,} images to train on) or a fraction from 0.0 to below 1.0"
        )
    val, train = order.tensor_split([count])
    return train, val


def stratified_permutation(labels: Tensor, seed: int) -> Tensor:
    """A random permutation int64 [N] in which any run of neighbours holds the classes in the proportions of the
    whole, to within one image a class or so.
    """
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    one_hot = F.one_hot(labels[shuffled])
    rank_in_class = (one_hot.cumsum(0) * one_hot).sum(1)
    position = (rank_in_class - 0.5) / one_hot.sum(0)[labels[shuffled]]
    return shuffled[position.argsort(stable=True)]

"""Training and validation split. It depends on a seed of its own, never on PyTorch's global generator."""

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import InputError


def split_indices(
    labels: Tensor, *, val_size: int | float, seed: int, folds: int | None = None, fold: int = 0
) -> tuple[Tensor, Tensor]:
    """Indices int64 of the training and the validation images among `labels` int64 [N]: disjoint, complete, stratified.
    `val_size` is a count, or a fraction below 1. With `folds`, fold number `fold` is validation instead (k-fold).
    Raises InputError if no image is left for training, or `folds` or `fold` is out of range."""
    order = stratified_permutation(labels, seed)
    if folds is not None:
        if not 2 <= folds <= len(order):
            raise InputError(f"data.folds={folds}: must be between 2 and the number of images, {len(order):,}")
        if not 0 <= fold < folds:
            raise InputError(f"data.fold={fold}: with data.folds={folds} it must be between 0 and {folds - 1}")
        train_folds = list(order.tensor_split(folds))
        val = train_folds.pop(fold)
        return torch.cat(train_folds), val

    count = round(val_size * len(order)) if isinstance(val_size, float) else val_size
    if count == 0 and val_size > 0:
        raise InputError(
            f"data.val_size={val_size}: no image of {len(order):,} is left for validation; increase it, or set 0"
        )
    if not 0 <= count < len(order):
        raise InputError(
            f"data.val_size={val_size}: must be a count from 0 to {len(order) - 1:,} "
            f"(there are {len(order):,} images) or a fraction from 0.0 to below 1.0"
        )
    val, train = order.tensor_split([count])
    return train, val


def stratified_permutation(labels: Tensor, seed: int) -> Tensor:
    """A random permutation int64 [N]. Each contiguous part has the class proportions of all `labels` int64 [N], up to
    about one image per class."""
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    one_hot = F.one_hot(labels[shuffled])
    rank_in_class = (one_hot.cumsum(0) * one_hot).sum(1)
    position = (rank_in_class - 0.5) / one_hot.sum(0)[labels[shuffled]]
    return shuffled[position.argsort(stable=True)]

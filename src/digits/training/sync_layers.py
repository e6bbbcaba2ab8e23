"""Batch normalization and dropout of a run on several processes, which share each batch. Together they compute what one
process computes with the whole batch."""

from functools import partial
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from digits.data.shares import share
from digits.private_apis.pytorch import batch_statistics

BatchNorm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
Dropout: TypeAlias = nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d


class SyncLayers:
    """Replaces `forward` of the batch normalization and dropout layers of `network`. Their parameters keep their names.
    Set `batch_size`, the number of images over all processes, before each step."""

    def __init__(self, network: nn.Module) -> None:
        self.batch_size = 0
        for layer in network.modules():
            if isinstance(layer, BatchNorm):
                layer.forward = partial(self.batch_norm, layer)  # type: ignore[method-assign]
            elif isinstance(layer, Dropout):
                layer.forward = partial(self.dropout, layer)  # type: ignore[method-assign]

    def batch_norm(self, layer: BatchNorm, features: Tensor) -> Tensor:
        """Normalizes [N, C, …] with the mean and the variance over all processes."""
        if not layer.training:
            return type(layer).forward(layer, features)  # type: ignore[arg-type]
        values_per_image = features[0, 0].numel()
        count = self.batch_size * values_per_image
        mean, var = _mean_and_variance(features, share_of_batch=len(features) * values_per_image / count)
        _update_running_statistics(layer, mean, var * count / (count - 1))
        features = _ThroughStatistics.apply(features, mean, (var + layer.eps).rsqrt(), count)
        return F.batch_norm(features, mean, var, layer.weight, layer.bias, eps=layer.eps)

    def dropout(self, layer: Dropout, features: Tensor) -> Tensor:
        """Draws for the whole batch, as each process does, and uses the share of this process."""
        if not layer.training:
            return features
        ones = features.new_empty_strided((self.batch_size, *features.shape[1:]), features.stride()).fill_(1)
        return features * share(type(layer).forward(layer, ones))  # type: ignore[arg-type]


def _mean_and_variance(features: Tensor, share_of_batch: float) -> tuple[Tensor, Tensor]:
    """The mean and the biased variance of each channel of [N, C, …] over all processes."""
    mean, var = batch_statistics(features)
    # The moments of the batch are the means of the processes' moments, weighted by their shares.
    moments = torch.stack([mean, var + mean.square()]).double() * share_of_batch
    dist.all_reduce(moments)
    batch_mean, batch_square = moments
    batch_var = batch_square - batch_mean.square()
    return batch_mean.to(mean.dtype), batch_var.to(mean.dtype)


def _update_running_statistics(layer: BatchNorm, mean: Tensor, unbiased_var: Tensor) -> None:
    batches, running_mean, running_var = layer.num_batches_tracked, layer.running_mean, layer.running_var
    if batches is None or running_mean is None or running_var is None:
        return
    batches += 1
    momentum = layer.momentum
    if momentum is None:  # the mean over all batches
        momentum = 1 / float(batches)
    running_mean.lerp_(mean, momentum)
    running_var.lerp_(unbiased_var, momentum)


class _ThroughStatistics(torch.autograd.Function):
    """Identity in the forward pass. The backward pass adds the gradient through the mean and the variance of the whole
    batch."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, mean: Tensor, inverse_std: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(features, mean, inverse_std)
        ctx.count = count
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        features, mean, inverse_std = ctx.saved_tensors
        per_channel = [1, -1, *[1] * (features.dim() - 2)]
        normalized = (features - mean.view(per_channel)) * inverse_std.view(per_channel)
        others = [dim for dim in range(features.dim()) if dim != 1]
        sums = torch.stack([gradient.sum(others, dtype=mean.dtype), (gradient * normalized).sum(others)])
        means = sums / ctx.count
        dist.all_reduce(means)
        shift, slope = means
        changed = gradient - shift.view(per_channel) - slope.view(per_channel) * normalized
        return changed.to(gradient.dtype), None, None, None

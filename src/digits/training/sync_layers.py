"""Several processes share each batch and compute what one process computes with the whole batch."""

from functools import partial
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from digits.data.sampler import share
from digits.private_apis import batch_statistics

BatchNorm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


class WholeBatch:
    """Batch normalization and dropout over the whole batch: replaces `forward` of these layers of `network`, so that
    their parameters keep their names. Set `size`, the number of images over all processes, before each step."""

    def __init__(self, network: nn.Module) -> None:
        self.size = 0
        for layer in network.modules():
            if isinstance(layer, BatchNorm):
                layer.forward = partial(self.batch_norm, layer)  # type: ignore[method-assign]
            elif isinstance(layer, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
                layer.forward = partial(self.dropout, layer)  # type: ignore[method-assign]

    def batch_norm(self, layer: BatchNorm, features: Tensor) -> Tensor:
        """Normalizes [N, C, …] with the mean and the variance over all processes."""
        if not layer.training:
            return type(layer).forward(layer, features)  # type: ignore[arg-type]
        per_channel = features[0, 0].numel()
        own, count = len(features) * per_channel, self.size * per_channel
        mean, var = batch_statistics(features)
        precise = mean.dtype
        moments = torch.stack([mean, var + mean.square()]).double() * (own / count)
        dist.all_reduce(moments)
        mean, var = moments[0].to(precise), (moments[1] - moments[0].square()).to(precise)
        batches, running_mean, running_var = layer.num_batches_tracked, layer.running_mean, layer.running_var
        if batches is not None and running_mean is not None and running_var is not None:
            batches += 1
            momentum = 1 / float(batches) if layer.momentum is None else layer.momentum
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(var * count / (count - 1), momentum)
        features = _ThroughStatistics.apply(features, mean, (var + layer.eps).rsqrt(), count)
        return F.batch_norm(features, mean, var, layer.weight, layer.bias, eps=layer.eps)

    def dropout(self, layer: nn.Module, features: Tensor) -> Tensor:
        """Draws for the whole batch, as each process does, and uses the share of this process."""
        if not layer.training:
            return features
        kept = features.new_empty_strided((self.size, *features.shape[1:]), features.stride()).fill_(1)
        return features * share(type(layer).forward(layer, kept))


class _ThroughStatistics(torch.autograd.Function):
    """Returns the features of a batch normalization, and adds to their gradient the part that reaches them through the
    mean and the variance of the whole batch."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, mean: Tensor, inverse_std: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(features, mean, inverse_std)
        ctx.count = count
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        features, *statistics = ctx.saved_tensors
        channels = [1, -1, *[1] * (features.dim() - 2)]
        mean, inverse_std = (values.view(channels) for values in statistics)
        normalized = (features - mean) * inverse_std
        others = [dim for dim in range(features.dim()) if dim != 1]
        means = torch.stack([gradient.sum(others, dtype=mean.dtype), (gradient * normalized).sum(others)]) / ctx.count
        dist.all_reduce(means)
        shift, slope = (values.view(channels) for values in means)
        return (gradient - shift - slope * normalized).to(gradient.dtype), None, None, None

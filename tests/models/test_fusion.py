"""Batch normalization is fused only into the convolution before it."""

import torch
from torch import Tensor, nn

from digits.models.fusion import fuse_batch_norm


class ByKeyword(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.norm(input=self.conv(pixels))
        return features


def test_layer_called_by_keyword_is_kept() -> None:
    network = ByKeyword().eval()
    pixels = torch.rand(2, 1, 5, 5)
    expected = network(pixels)
    assert torch.equal(fuse_batch_norm(network)(pixels), expected)
    assert isinstance(network.norm, nn.BatchNorm2d)

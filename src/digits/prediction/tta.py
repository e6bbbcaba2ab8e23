"""Test-time augmentation: slightly rotated, scaled and shifted views of the digits."""

import torch
import torch.nn.functional as F
from torch import Tensor

TTA_MAX_DEGREES = 7.0
TTA_MAX_SHIFT = 1.5  # pixels
TTA_MAX_ZOOM = 0.05
PIXEL = 2 / 28  # in the coordinates of affine_grid


def sample_tta_transforms(count: int, seed: int) -> Tensor:
    """Random affine matrices float32 [count, 2, 3] for `affine_grid`, with coordinates −1 to 1 across the image."""
    uniform = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    rotation, shift_x, shift_y, zoom = uniform.double().unbind(1)
    angle = torch.deg2rad(TTA_MAX_DEGREES * rotation)
    scale = 1 + TTA_MAX_ZOOM * zoom
    cos = angle.cos() / scale
    sin = angle.sin() / scale
    max_shift = TTA_MAX_SHIFT * PIXEL
    entries = [cos, -sin, max_shift * shift_x, sin, cos, max_shift * shift_y]
    return torch.stack(entries, 1).view(-1, 2, 3).float()


def apply_affine(images: Tensor, matrix: Tensor) -> Tensor:
    """Transforms images uint8 [N, 28, 28], all by one matrix [2, 3], to uint8 [N, 28, 28]."""
    pixels = images[:, None].float()
    with torch.autocast(images.device.type, enabled=False):  # coordinates in bfloat16 would be inexact
        grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(pixels.shape), align_corners=False)
        return F.grid_sample(pixels, grid, align_corners=False)[:, 0].round().to(torch.uint8)

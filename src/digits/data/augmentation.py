"""Random affine transforms of whole batches, on their device."""

from collections.abc import Sequence
from math import radians

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digits.errors import InputError


class RandomAffine(nn.Module):
    """Shears each image along x by up to ±`shear` degrees, rotates it by up to ±`degrees`, scales it by a factor in the
    range `scale`, shifts it by up to ±`translate`, fractions of width and height. Draws are uniform, pixels bilinear,
    the outside black: Kornia's RandomAffine in a quarter of its time. Raises InputError for impossible ranges."""

    def __init__(
        self,
        degrees: float,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | None = None,
    ) -> None:
        super().__init__()
        translate, scale = translate or (0.0, 0.0), scale or (1.0, 1.0)
        for name, value, limit in (("degrees", degrees, 180), ("shear", shear, 80)):
            if not isinstance(value, int | float | None) or not 0 <= (value or 0) <= limit:
                raise InputError(f"augment.{name}={value}: one number of degrees from 0 to {limit} is expected")
        if len(translate) != 2 or not all(0 <= fraction <= 1 for fraction in translate):
            raise InputError(f"augment.translate={list(translate)}: two fractions from 0 to 1 are expected")
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise InputError(f"augment.scale={list(scale)}: a smallest and a largest factor above 0 are expected")
        self.degrees, self.translate, self.scale, self.shear = degrees, translate, scale, shear or 0.0

    def forward(self, pixels: Tensor) -> Tensor:
        """Float32 [N, C, H, H] to the same shape and dtype."""
        rotation, shear, shift_x, shift_y = torch.rand(4, len(pixels), device=pixels.device) * 2 - 1
        smallest, largest = self.scale
        matrices = affine_matrices(
            radians(self.degrees) * rotation,
            smallest + (largest - smallest) * torch.rand(len(pixels), device=pixels.device),
            radians(self.shear) * shear,
            self.translate[0] * shift_x,
            self.translate[1] * shift_y,
        )
        grid = F.affine_grid(matrices, list(pixels.shape), align_corners=False)
        return F.grid_sample(pixels, grid, align_corners=False)


def affine_matrices(angle: Tensor, scale: Tensor, shear: Tensor, shift_x: Tensor, shift_y: Tensor) -> Tensor:
    """Matrices float32 [N, 2, 3] for `affine_grid` (output to input coordinates) that shear, rotate, scale and then
    shift N square images. Arguments are [N]: angles in radians, factors, shifts as fractions of the side."""
    cos, sin, tan = angle.cos() / scale, angle.sin() / scale, shear.tan()
    xx, xy, yx, yy = cos - tan * sin, sin + tan * cos, -sin, cos
    x, y = -2 * (xx * shift_x + xy * shift_y), -2 * (yx * shift_x + yy * shift_y)
    return torch.stack([xx, xy, x, yx, yy, y], dim=1).view(-1, 2, 3)

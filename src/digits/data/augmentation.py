"""Random transforms of whole batches, on their device."""

from collections.abc import Sequence
from math import radians

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digits.errors import InputError


class RandomTransform(nn.Module):
    """Transforms each image of a batch differently. All draws are uniform unless stated.

    1. Affine: a shear along x by up to ±`shear` degrees, a rotation by up to ±`degrees`, a factor in the range `scale`,
       a shift by up to ±`translate`, fractions of width and height.
    2. Elastic (P. Simard et al. 2003): a displacement of each pixel, normal with a standard deviation of `elastic`
       pixels, smoothed by a Gaussian of `elastic_sigma` pixels.
    3. Erasing (T. DeVries and G. Taylor, arXiv:1708.04552): with probability `erasing` one black square inside the
       image, with a side of `erasing_size` pixels, a smallest and a largest.

    1 and 2 are one bilinear sampling, the outside is black. Raises InputError for impossible ranges."""

    def __init__(  # noqa: PLR0913 - settings of a YAML file
        self,
        degrees: float = 0.0,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | None = None,
        elastic: float = 0.0,
        elastic_sigma: float = 6.0,
        erasing: float = 0.0,
        erasing_size: Sequence[int] = (8, 16),
    ) -> None:
        super().__init__()
        self.degrees = check_number("degrees", degrees, 0, 180)
        self.translate = _pair("translate", translate or (0.0, 0.0), 0, 1)
        self.scale = _range("scale", scale or (1.0, 1.0), 0.01, 100)
        self.shear = check_number("shear", shear or 0.0, 0, 80)
        self.elastic = check_number("elastic", elastic, 0, 28)
        self.elastic_sigma = check_number("elastic_sigma", elastic_sigma, 1, 28)
        self.erasing = check_number("erasing", erasing, 0, 1)
        self.erasing_size = _range("erasing_size", erasing_size, 1, 28)

    def forward(self, pixels: Tensor, strength: Tensor | None = None) -> Tensor:
        """Float32 [N, C, H, H] to the same shape and dtype. `strength` float32 [N], from 0 to 1, narrows the ranges of
        the affine transform for each image."""
        matrices = self._sample_matrices(len(pixels), pixels.device, strength)
        grid = F.affine_grid(matrices, list(pixels.shape), align_corners=False)
        if self.elastic:
            side = pixels.shape[-1]
            noise = smooth_noise(len(pixels), side, self.elastic_sigma, pixels.device)
            grid = grid + noise * (self.elastic * 2 / side)
        pixels = F.grid_sample(pixels, grid, align_corners=False)
        if self.erasing:
            pixels = erase_squares(pixels, self.erasing, self.erasing_size)
        return pixels

    def _sample_matrices(self, count: int, device: torch.device, strength: Tensor | None) -> Tensor:
        """Random affine matrices float32 [count, 2, 3]."""
        smallest, largest = self.scale
        draws = torch.rand(4, count, device=device) * 2 - 1
        scale = smallest + (largest - smallest) * torch.rand(count, device=device)
        if strength is not None:
            draws = draws * strength
            scale = 1 + (scale - 1) * strength
        rotation, shear, shift_x, shift_y = draws
        shift = torch.stack([self.translate[0] * shift_x, self.translate[1] * shift_y], dim=1)
        return affine_matrices(
            angle=radians(self.degrees) * rotation,
            scale=scale,
            shear=radians(self.shear) * shear,
            shift=shift,
        )


def affine_matrices(angle: Tensor, scale: Tensor, shear: Tensor, shift: Tensor) -> Tensor:
    """Matrices [N, 2, 3] for `affine_grid` (output to input coordinates) that shear, rotate, scale and then shift
    N square images. Arguments are [N]: angles in radians, factors; and [N, 2]: shifts as fractions of the side."""
    axes = inverse_axes(angle, scale, shear)
    origin = -2 * (axes * shift[:, None]).sum(2)  # the image has a side of 2 in these coordinates
    return torch.cat([axes, origin[:, :, None]], dim=2)


def inverse_axes(angle: Tensor, scale: Tensor, shear: Tensor) -> Tensor:
    """Matrices [N, 2, 2] that undo a shear, a rotation and then a scale, all [N], the angles in radians."""
    cos = angle.cos() / scale
    sin = angle.sin() / scale
    tan = shear.tan()
    return torch.stack([cos - tan * sin, sin + tan * cos, -sin, cos], dim=1).view(-1, 2, 2)


def smooth_noise(count: int, side: int, sigma: float, device: torch.device) -> Tensor:
    """Normal noise float32 [count, side, side, 2] with mean 0 and standard deviation 1, smoothed by a Gaussian of
    `sigma` pixels. It is drawn on a coarse grid, one point for each `sigma` pixels, and 3 `sigma` beyond the border."""
    position = torch.arange(side, device=device)
    points = torch.arange(-3 * sigma, side - 1 + 3 * sigma + sigma, sigma, device=device)
    distance = (position[:, None] - points) / sigma
    basis = (-0.5 * distance**2).exp()
    basis = basis / basis.norm(dim=1, keepdim=True)  # each pixel is a sum of normal values with this variance
    noise = torch.randn(count, 2, len(points), len(points), device=device)
    field: Tensor = basis @ noise @ basis.T
    return field.movedim(1, -1)


def rotated_coordinates(count: int, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates of pixels in systems with random axes, each float32 [count, side, side], zero in the center. The axes
    are parallel to the sides in half of them."""
    position = torch.arange(side, device=device) - (side - 1) / 2
    right_angles = torch.pi / 2 * torch.randint(4, (count,), device=device)
    any_angles = 2 * torch.pi * torch.rand(count, device=device)
    angle = torch.where(torch.rand(count, device=device) < 0.5, any_angles, right_angles)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    x, y = position, position[:, None]
    return cos * x + sin * y, cos * y - sin * x


def erase_squares(pixels: Tensor, probability: float, size: Sequence[float]) -> Tensor:
    """Blackens one square in each image of [N, C, H, H], with this probability. The square lies inside the image;
    `size` are its smallest and its largest side in pixels."""
    choice, relative_size, row, column = torch.rand(4, len(pixels), 1, device=pixels.device)
    smallest, largest = size
    side = (smallest + (largest - smallest + 1) * relative_size).floor()
    side = torch.where(choice < probability, side, 0)  # 0: nothing is erased
    room = pixels.shape[-1] - side + 1
    rows = _interval(pixels.shape[-1], (row * room).floor(), side)
    columns = _interval(pixels.shape[-1], (column * room).floor(), side)
    return pixels.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0.0)


def _interval(count: int, start: Tensor, length: Tensor) -> Tensor:
    """Which of `count` positions lie in the interval of each image, bool [N, count]; arguments are [N, 1]."""
    position = torch.arange(count, device=start.device)
    return (position >= start) & (position < start + length)


def check_number(name: str, value: object, low: float, high: float) -> float:
    if not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"augment.{name}={value}: a number from {low} to {high} is expected")
    return value


def _pair(name: str, values: object, low: float, high: float) -> tuple[float, float]:
    if not isinstance(values, Sequence) or len(values) != 2:
        raise InputError(f"augment.{name}={values}: two numbers from {low} to {high} are expected")
    return check_number(name, values[0], low, high), check_number(name, values[1], low, high)


def _range(name: str, values: object, low: float, high: float) -> tuple[float, float]:
    smallest, largest = _pair(name, values, low, high)
    if smallest > largest:
        raise InputError(f"augment.{name}={[smallest, largest]}: the smaller number is expected first")
    return smallest, largest

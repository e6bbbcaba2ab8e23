"""Test-time augmentation moves a digit a little."""

import torch

from digits.prediction.tta import apply_affine, sample_tta_transforms


def test_view_is_near_the_image() -> None:
    square = torch.zeros(1, 28, 28, dtype=torch.uint8)
    square[0, 10:18, 10:18] = 255
    for transform in sample_tta_transforms(8, seed=0):
        view = apply_affine(square, transform)
        assert not torch.equal(view, square)
        ink = view.float().sum()
        assert abs(ink / square.float().sum() - 1) < 0.15
        for axis in (1, 2):
            assert abs(view.float().sum(axis) @ torch.arange(28.0) / ink - 13.5) < 2

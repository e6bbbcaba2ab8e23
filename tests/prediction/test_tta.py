"""Test-time augmentation moves a digit a little."""

from math import radians

import numpy as np
from scipy import ndimage

from digits.data.sources import sample
from digits.prediction.tta import affine_view, apply_view, sample_views

IMAGES = sample().train.images[:20].numpy()


def test_view_is_near_the_image() -> None:
    square = np.zeros((1, 28, 28), np.uint8)
    square[0, 10:18, 10:18] = 255
    for view in sample_views(8, seed=0):
        seen = apply_view(view, square)
        assert not np.array_equal(seen, square)
        ink = seen.sum(dtype=float)
        assert abs(ink / square.sum(dtype=float) - 1) < 0.15
        for axis in (1, 2):
            assert abs(seen[0].sum(axis - 1, dtype=float) @ np.arange(28.0) / ink - 13.5) < 2


def test_view_without_a_change_is_the_image() -> None:
    assert np.array_equal(apply_view(affine_view(angle=0, scale=1, shift=(0, 0)), IMAGES), IMAGES)


def test_whole_pixels_are_shifted_exactly() -> None:
    seen = apply_view(affine_view(angle=0, scale=1, shift=(2, -3)), IMAGES)
    assert np.array_equal(seen[:, :25, 2:], IMAGES[:, 3:, :26])
    assert not seen[:, 25:].any()
    assert not seen[:, :, :2].any()


def test_view_is_that_of_scipy() -> None:
    angle, scale = radians(6), 1.04
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale  # of (y, x)
    offset = 13.5 - rotation @ [13.5, 13.5]
    seen = apply_view(affine_view(angle, scale, shift=(0, 0)), IMAGES)
    for image, view in zip(IMAGES, seen, strict=True):
        padded = ndimage.affine_transform(image.astype(float), rotation, offset, order=1, mode="grid-constant")
        assert np.abs(view - padded).max() <= 1  # a gray level

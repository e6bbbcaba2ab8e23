"""The corruptions of tools.file_corruptions and tools.mnist_c."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from digits.data.sources import sample
from tools.file_corruptions import FILE_CORRUPTIONS, Images, apply_corruption
from tools.mnist_c import MNIST_C, plasma, zigzag_corners

CORRUPTIONS = {**FILE_CORRUPTIONS, **MNIST_C}
EVERY_DIRECTION = np.ones((3, 3), bool)


def corrupt(name: str, images: Images) -> Images:
    return apply_corruption(CORRUPTIONS[name], name, images)


@pytest.fixture(scope="module")
def images() -> Images:
    return sample().test.images.numpy()[::25]


def blank(value: int = 0, count: int = 40) -> Images:
    return np.full((count, 28, 28), value, np.uint8)


def square(first: int, last: int) -> Images:
    """A white square whose rows and columns go from `first` to `last`."""
    images = blank(count=1)
    images[:, first : last + 1, first : last + 1] = 255
    return images


def dots(count: int = 40) -> Images:
    """One white pixel near the center."""
    images = blank(count=count)
    images[:, 13, 12] = 255
    return images


def centers(images: Images) -> NDArray[np.float64]:
    """The centers of mass as (row, column)."""
    return np.array([ndimage.center_of_mass(image) for image in images])


def directions(images: Images) -> NDArray[np.float64]:
    """The angles in radians of the long axes of the ink, from the vertical, float64 [N]."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    weights = images / images.sum((1, 2), keepdims=True)
    covariance = (weights * rows * columns).sum((1, 2))
    difference = (weights * (rows**2 - columns**2)).sum((1, 2))
    return np.arctan2(2 * covariance, difference) / 2


def test_mnist_c_has_fifteen_corruptions_and_no_name_occurs_twice() -> None:
    assert len(MNIST_C) == 15
    assert len(CORRUPTIONS) == len(FILE_CORRUPTIONS) + len(MNIST_C)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_returns_the_same_other_images_each_time(name: str, images: Images) -> None:
    original = images.copy()
    corrupted = corrupt(name, images)
    assert np.array_equal(images, original)
    assert corrupted.dtype == np.uint8
    assert corrupted.shape == images.shape
    assert not np.array_equal(corrupted, images)
    assert np.array_equal(corrupted, corrupt(name, images))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_takes_any_number_of_images(name: str, images: Images) -> None:
    for count in (0, 1):
        assert corrupt(name, images[:count]).shape == (count, 28, 28)


@pytest.mark.parametrize("level", [64, 127, 191])
def test_threshold_has_two_tones(level: int, images: Images) -> None:
    corrupted = corrupt(f"threshold {level}", images)
    assert np.array_equal(corrupted == 255, images > level)
    assert np.array_equal(corrupted == 0, images <= level)


def test_threshold_has_the_tones_of_its_name(images: Images) -> None:
    assert np.unique(corrupt("threshold 127, tones 50 and 205", images)).tolist() == [50, 205]


@pytest.mark.parametrize("levels", [2, 3, 4, 8])
def test_gray_levels_are_evenly_spaced(levels: int, images: Images) -> None:
    values = np.unique(corrupt(f"{levels} gray levels", images))
    assert np.array_equal(values, np.rint(np.linspace(0, 255, levels)))


@pytest.mark.parametrize("side", [7, 14])
def test_enlarged_by_nearest_neighbor_pixels_are_blocks(side: int, images: Images) -> None:
    corrupted = corrupt(f"{side}×{side}, nearest neighbor", images)
    block = 28 // side
    assert np.array_equal(corrupted, corrupted[:, ::block, ::block].repeat(block, 1).repeat(block, 2))


def test_coarse_two_tones_are_two(images: Images) -> None:
    assert np.unique(corrupt("14×14 in two tones, nearest neighbor", images)).tolist() == [0, 255]


def test_bicubic_is_smoother_than_nearest_neighbor(images: Images) -> None:
    def roughness(name: str) -> float:
        return float(np.abs(np.diff(corrupt(name, images).astype(int), 2)).mean())

    assert roughness("10×10, bicubic") < roughness("10×10, nearest neighbor")


def test_skeleton_of_a_bar_is_one_pixel_wide() -> None:
    bar = blank(count=1)
    bar[:, 10:15, 4:24] = 255
    columns = corrupt("skeleton", bar)[0, :, 8:20]
    assert np.array_equal((columns == 255).sum(0), np.ones(12))


def test_skeleton_lies_in_the_strokes_and_keeps_their_parts_and_holes(images: Images) -> None:
    strokes, skeleton = images > 127, corrupt("skeleton", images) > 0
    assert not (skeleton & ~strokes).any()
    assert skeleton.sum() < 0.6 * strokes.sum()
    for before, after in zip(strokes, skeleton, strict=True):
        assert ndimage.label(before, EVERY_DIRECTION)[1] == ndimage.label(after, EVERY_DIRECTION)[1]
        assert ndimage.label(~before)[1] <= ndimage.label(~after)[1]


def test_thick_strokes_are_wider_by_a_pixel_on_each_side() -> None:
    assert np.array_equal(corrupt("thick", square(10, 15)), square(9, 16))


@pytest.mark.parametrize("sigma", [20, 40])
def test_noise_has_its_standard_deviation(sigma: int) -> None:
    assert corrupt(f"noise {sigma}", blank(128)).std() == pytest.approx(sigma, rel=0.05)


def test_jpeg_is_worse_at_a_lower_quality(images: Images) -> None:
    errors = [np.abs(corrupt(f"JPEG {quality}", images) - images.astype(int)).mean() for quality in (50, 30, 10)]
    assert errors == sorted(errors)
    assert 0 < errors[0] < errors[-1] < 10


def test_half_contrast_halves_the_ink() -> None:
    assert np.unique(corrupt("half contrast", square(10, 15))).tolist() == [0, 128]


@pytest.mark.parametrize("background", [64, 128])
def test_ink_stays_white_on_a_gray_background(background: int) -> None:
    assert np.unique(corrupt(f"background {background}", square(10, 15))).tolist() == [background, 255]


def test_off_center_shifts_by_four_pixels_in_all_directions() -> None:
    shifts = centers(corrupt("off-center by 4", dots())) - (13, 12)
    assert {tuple(shift) for shift in shifts.tolist()} == {(-4, 0), (4, 0), (0, -4), (0, 4)}


@pytest.mark.parametrize("sigma", [0.4, 0.7, 1.0])
def test_blur_spreads_a_dot(sigma: float) -> None:
    blurred = corrupt(f"blur {sigma}", square(13, 13))[0] / 255
    distances = np.arange(28) - 13
    variance = (blurred.sum(0) * distances**2).sum() / blurred.sum()
    assert blurred.sum() == pytest.approx(1, abs=0.05)
    # Of few pixels the sampled Gaussian is narrower.
    assert 0.4 * sigma**2 < variance < 1.05 * sigma**2


def test_shot_noise_counts_few_photons(images: Images) -> None:
    corrupted = corrupt("shot noise", images)
    assert np.unique(corrupted).tolist() == [0, 85, 170, 255]
    assert not corrupted[images == 0].any()


def test_impulse_noise_replaces_17_percent_by_black_and_white() -> None:
    corrupted = corrupt("impulse noise", blank(128, count=200))
    assert np.mean(corrupted == 0) == pytest.approx(0.085, abs=0.005)
    assert np.mean(corrupted == 255) == pytest.approx(0.085, abs=0.005)
    assert np.mean(corrupted == 128) == pytest.approx(0.83, abs=0.01)


def test_glass_blur_moves_ink_by_few_pixels_and_keeps_its_amount(images: Images) -> None:
    corrupted = corrupt("glass blur", images).astype(int)
    assert corrupted.sum((1, 2)) == pytest.approx(images.sum((1, 2), dtype=int), rel=0.05)
    moved = centers(corrupted) - centers(images)
    assert np.abs(moved).max() < 2


def test_motion_blur_draws_a_dot_out_to_one_side() -> None:
    streaks = corrupt("motion blur", dots()).astype(int)
    assert streaks.sum((1, 2)) == pytest.approx(255, rel=0.05)
    assert not streaks[:, :, 13:].any()
    columns = streaks.any(0).any(0)
    assert columns[5:13].all()
    # Up or down by at most the length of the streak: 45°.
    assert streaks.any(0).any(1)[:10].any()
    assert streaks.any(0).any(1)[17:].any()


def test_shear_leans_vertical_lines_to_both_sides_and_keeps_horizontal_ones() -> None:
    vertical, horizontal = blank(), blank()
    vertical[:, 6:22, 13:15] = 255
    horizontal[:, 13:15, 6:22] = 255
    angles = directions(corrupt("shear", vertical))
    assert np.abs(angles) == pytest.approx(0.4, abs=0.03)
    assert angles.min() < 0 < angles.max()
    assert np.abs(directions(corrupt("shear", horizontal))) == pytest.approx(np.pi / 2, abs=0.02)


def test_rotation_turns_lines_by_0_4_radians_in_both_directions() -> None:
    lines = blank()
    lines[:, 6:22, 13:15] = 255
    angles = directions(corrupt("rotate", lines))
    assert np.abs(angles) == pytest.approx(0.4, abs=0.03)
    assert angles.min() < 0 < angles.max()


def test_scale_shrinks_around_the_center() -> None:
    inked = corrupt("scale", square(4, 23)) > 127
    assert np.flatnonzero(inked.any((0, 1))).tolist() == list(range(7, 21))
    assert np.flatnonzero(inked.any((0, 2))).tolist() == list(range(7, 21))


def test_brightness_adds_half_of_white(images: Images) -> None:
    corrupted = corrupt("brightness", images)
    assert (corrupted[images == 0] == 128).all()
    assert (corrupted[images >= 128] == 255).all()


def test_translate_shifts_by_three_pixels_along_each_diagonal() -> None:
    shifts = centers(corrupt("translate", dots())) - (13, 12)
    assert {tuple(shift) for shift in shifts.tolist()} == {(-3, -3), (-3, 3), (3, -3), (3, 3)}


def test_stripe_inverts_both_sides(images: Images) -> None:
    corrupted = corrupt("stripe", images)
    assert np.array_equal(corrupted[:, :, 7:21], images[:, :, 7:21])
    assert np.array_equal(255 - corrupted[:, :, :7], images[:, :, :7])
    assert np.array_equal(corrupt("stripe", corrupted), images)


def test_fog_covers_the_background_and_fades_the_ink(images: Images) -> None:
    corrupted = corrupt("fog", images)
    assert corrupted[images == 0].mean() > 30
    assert corrupted.max() <= 255
    ink_above_fog = corrupted[images == 255].mean() - corrupted[images == 0].mean()
    assert ink_above_fog == pytest.approx(255 / 4, rel=0.2)


def test_clouds_are_smooth_and_fill_their_range() -> None:
    clouds = plasma(3, 64, 2.0, np.random.default_rng(0))
    assert clouds.min((1, 2)) == pytest.approx(0)
    assert clouds.max((1, 2)) == pytest.approx(1)
    # On a torus also the first and the last column are neighbors.
    for neighbors in (np.roll(clouds, 1, axis=1), np.roll(clouds, 1, axis=2)):
        assert np.abs(clouds - neighbors).mean() < clouds.std() / 4


def test_spatter_is_dark_mud() -> None:
    mud = corrupt("spatter", blank())
    assert mud.max() == 63
    assert 0.02 < np.mean(mud > 0) < 0.4
    assert corrupt("spatter", blank(255)).min() < 100


def test_dots_of_a_line_are_two_columns_wide() -> None:
    drawn = corrupt("dotted line", blank()).any(1)
    columns = np.arange(28)
    expected = (columns // 2 % 2 == 1) & (columns < 27)
    assert np.array_equal(drawn, np.broadcast_to(expected, drawn.shape))


@pytest.mark.parametrize("rise", [-5, 0, 4])
def test_zigzag_changes_sides_along_its_line(rise: int) -> None:
    corners = zigzag_corners(10, rise)
    (first, *_, last) = corners
    assert first.tolist() == [10, 2]
    assert last == pytest.approx([10 + rise, 25], abs=0.6)
    rows, columns = corners[1:-1].T
    line = 10 + (columns - 2) * rise / 23
    assert np.array_equal(np.sign(rows - line), (-1.0) ** np.arange(len(rows)))


def test_zigzag_is_drawn_over_the_digit(images: Images) -> None:
    corrupted = corrupt("zigzag", images)
    assert (corrupted >= images).all()
    assert (corrupted.astype(int) - images).sum((1, 2)).min() > 5 * 255


def test_canny_keeps_the_outline_of_a_square() -> None:
    edges = corrupt("canny edges", square(8, 19))[0]
    assert np.unique(edges).tolist() == [0, 255]
    inside, outside = edges[11:17, 11:17], np.delete(np.delete(edges, range(6, 22), 0), range(6, 22), 1)
    assert not inside.any()
    assert not outside.any()
    # A closed outline separates the inside from the outside.
    regions, count = ndimage.label(edges == 0)
    assert count >= 2
    assert regions[13, 13] != regions[0, 0]


def test_canny_finds_no_edge_in_a_blank_image_or_a_faint_square() -> None:
    assert not corrupt("canny edges", blank()).any()
    assert not corrupt("canny edges", square(8, 19) // 64).any()

"""The fifteen corruptions of MNIST-C (N. Mu and J. Gilmer 2019, arXiv:1906.02337), written anew with NumPy and SciPy.

Each takes and returns images uint8 [N, 28, 28], white ink on black, and draws from the generator that it gets.
`MNIST_C` names all of them.

All numbers are the defaults of the authors' program: corruptions.py in github.com/google-research/mnist-c. It calls
ImageMagick for the motion blur, and scikit-image of 2019 for affine transforms and edges. Their algorithms are written
here. The random numbers differ from the authors', so that the images are not those of the published data set.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.file_corruptions import Corruption, Images, to_uint8

SIDE = 28
CENTER = (SIDE - 1) / 2


def shot_noise(images: Images, generator: np.random.Generator) -> Images:
    """Few photons: Poisson noise with a mean of 3 in white pixels."""
    return to_uint8(generator.poisson(images / 255 * 3) / 3 * 255)


def impulse_noise(images: Images, generator: np.random.Generator) -> Images:
    """17 % of the pixels become black or white."""
    hit = generator.random(images.shape) < 0.17
    white = generator.random(images.shape) < 0.5
    return np.where(hit, np.where(white, np.uint8(255), np.uint8(0)), images)


def glass_blur(images: Images, generator: np.random.Generator) -> Images:
    """A blur of 0.7 pixels, two rounds of random swaps of neighbors, and the blur again. The authors' blur is vertical
    only, since their call takes the columns of a gray image for color channels."""
    count = len(images)
    everyone = np.arange(count)
    pixels = blur_vertically(images)
    for _ in range(2):
        for row in range(SIDE - 1, 1, -1):
            for column in range(SIDE - 1, 1, -1):
                swapped = generator.random(count) < 0.5
                other_row = row - generator.integers(2, size=count) * swapped
                other_column = column - generator.integers(2, size=count) * swapped
                here, there = pixels[:, row, column].copy(), pixels[everyone, other_row, other_column]
                pixels[:, row, column] = there
                pixels[everyone, other_row, other_column] = here
    return blur_vertically(pixels)


def blur_vertically(images: Images) -> Images:
    return to_uint8(ndimage.gaussian_filter1d(images.astype(np.float32), 0.7, axis=1, mode="nearest"))


def motion_blur(images: Images, generator: np.random.Generator) -> Images:
    """ImageMagick's motion blur of radius 10 and sigma 3, at an angle between −45° and 45°: the mean of 21 pixels in
    one direction, with the weights of half a Gaussian."""
    angles = np.radians(generator.uniform(-45, 45, len(images)))
    distances = np.arange(21)
    weights = np.exp(-(distances**2) / (2 * 3**2))
    weights /= weights.sum()

    rows, columns = np.mgrid[:SIDE, :SIDE]
    everyone = np.arange(len(images))[:, None, None]
    blurred = np.zeros(images.shape)
    for distance, weight in zip(distances, weights, strict=True):
        down = np.rint(distance * np.sin(angles)).astype(int)[:, None, None]
        right = np.rint(distance * np.cos(angles)).astype(int)[:, None, None]
        # Pixels beyond the border repeat its value.
        source_rows, source_columns = (rows + down).clip(0, SIDE - 1), (columns + right).clip(0, SIDE - 1)
        blurred += weight * images[everyone, source_rows, source_columns]
    return to_uint8(blurred)


def shear(images: Images, generator: np.random.Generator) -> Images:
    """Sheared by 0.4 radians to the left or right; the matrix of scikit-image also stretches the height by 9 %."""
    angles = 0.4 * random_signs(generator, len(images))
    matrices = [[(math.cos(angle), 0), (-math.sin(angle), 1)] for angle in angles]
    return transform(images, matrices)


def scale(images: Images, generator: np.random.Generator) -> Images:
    """Reduced to 70 % of its size."""
    return transform(images, [[(1 / 0.7, 0), (0, 1 / 0.7)]] * len(images))


def rotate(images: Images, generator: np.random.Generator) -> Images:
    """Rotated by 0.4 radians in one of both directions."""
    angles = 0.4 * random_signs(generator, len(images))
    matrices = [[(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))] for angle in angles]
    return transform(images, matrices)


def transform(images: Images, matrices: Any) -> Images:
    """Images transformed around their centers, with bilinear interpolation and black beyond the border. One matrix
    [2, 2] per image maps a (row, column) of the result to the one in the image."""
    transformed = np.empty(images.shape)
    for index, matrix in enumerate(np.asarray(matrices)):
        offset = CENTER - matrix @ (CENTER, CENTER)
        image = images[index].astype(np.float32)
        # grid-constant also interpolates between the outermost pixels and black.
        transformed[index] = ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant")
    return to_uint8(transformed)


def random_signs(generator: np.random.Generator, *shape: int) -> NDArray[np.int64]:
    return generator.choice([-1, 1], shape)


def brightness(images: Images, generator: np.random.Generator) -> Images:
    """Every pixel brighter by half of white."""
    return to_uint8(images + 0.5 * 255)


def translate(images: Images, generator: np.random.Generator) -> Images:
    """Shifted by 3 pixels up or down, and by 3 pixels to the left or right."""
    translated = np.empty_like(images)
    for index, shift in enumerate(3 * random_signs(generator, len(images), 2)):
        translated[index] = ndimage.shift(images[index], shift, order=0)
    return translated


def stripe(images: Images, generator: np.random.Generator) -> Images:
    """Inverted but for the 14 columns in the middle."""
    striped = 255 - images
    striped[:, :, 7:21] = images[:, :, 7:21]
    return striped


def fog(images: Images, generator: np.random.Generator) -> Images:
    """The sum of the digit and of a fractal cloud, up to three times as bright, scaled to the digit's range: the corner
    of a cloud of 256×256 pixels. The authors divide their noise by 1.4 at each step, and use its square."""
    foggy = np.empty(images.shape)
    # In parts: the clouds of 10,000 digits together would need 2.6 GB.
    for start in range(0, len(images), 250):
        part = images[start : start + 250] / 255
        brightest = part.max((1, 2), keepdims=True)
        cloud = plasma(len(part), 256, 1.4**2, generator)[:, :SIDE, :SIDE]
        foggy[start : start + 250] = (part + 3 * cloud) * brightest / (brightest + 3) * 255
    return to_uint8(foggy)


def plasma(count: int, side: int, decay: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Fractal clouds float32 [count, side, side] in [0, 1] by the diamond-square algorithm on a torus: the middles of
    ever smaller squares are the mean of four neighbors and noise. `side` is a power of two; `decay` divides the noise
    at each halving of the squares."""
    heights = np.zeros((count, side, side), np.float32)
    amplitude = 1.0

    def noisy_mean(*neighbors: NDArray[np.float32]) -> NDArray[np.float32]:
        noise = generator.random(neighbors[0].shape, np.float32)
        return sum(neighbors) / 4 + amplitude * (2 * noise - 1)

    step = side
    while step > 1:
        half = step // 2
        corners = heights[:, ::step, ::step]
        to_the_right, below = np.roll(corners, -1, axis=2), np.roll(corners, -1, axis=1)
        centers = noisy_mean(corners, to_the_right, below, np.roll(below, -1, axis=2))
        heights[:, half::step, half::step] = centers
        above_and_below = centers, np.roll(centers, 1, axis=1)
        heights[:, ::step, half::step] = noisy_mean(corners, to_the_right, *above_and_below)
        left_and_right = centers, np.roll(centers, 1, axis=2)
        heights[:, half::step, ::step] = noisy_mean(corners, below, *left_and_right)
        step = half
        amplitude /= decay
    heights -= heights.min((1, 2), keepdims=True)
    return heights / heights.max((1, 2), keepdims=True)


def spatter(images: Images, generator: np.random.Generator) -> Images:
    """Drops of mud, of gray 63: where normal noise (mean 0.65, deviation 0.3), blurred by 1 pixel, is above 0.65. The
    drops are blurred by 1.5 pixels, and only their parts above 0.8 stay."""
    liquid = blur_in_plane(generator.normal(0.65, 0.3, images.shape), 1)
    drops = blur_in_plane((liquid > 0.65).astype(np.float64), 1.5)
    drops[drops < 0.8] = 0
    return to_uint8(images * (1 - drops) + 63 * drops)


def blur_in_plane(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    return ndimage.gaussian_filter(values, (0, sigma, sigma), mode="nearest")


def dotted_line(images: Images, generator: np.random.Generator) -> Images:
    """A line from the left to the right border between random heights. Two columns of it are drawn, two are not."""
    lines = np.zeros(images.shape)
    drawn = np.arange(SIDE) // 2 % 2 == 1
    for line, (left_row, right_row) in zip(lines, generator.integers(27, size=(len(images), 2)), strict=True):
        line[:] = draw_line((left_row, 0), (right_row, 27)) * drawn
    return to_uint8(images + 255 * lines)


def zigzag(images: Images, generator: np.random.Generator) -> Images:
    """A zigzag 2 pixels high to each side, with 4 pixels between its corners, along a line from column 2 to column 25
    between random heights that differ by at most 5."""
    zigzags = np.zeros(images.shape)
    starts, rises = generator.integers(27, size=len(images)), generator.integers(-5, 5, size=len(images))
    for lines, start, rise in zip(zigzags, starts, rises, strict=True):
        corners = zigzag_corners(start, rise)
        for first, second in pairwise(corners):
            lines += draw_line(first, second)
    return to_uint8(images + 255 * zigzags.clip(0, 1))


def zigzag_corners(start: int, rise: int) -> NDArray[np.float64]:
    """The corners of a zigzag as (row, column), float64 [corners, 2]."""
    width = 25 - 2
    angle = math.atan(rise / width)
    length = width / math.cos(angle)
    along = np.arange(2, length, 4)
    across = 2.0 * (-1) ** np.arange(len(along))
    # The last piece ends near the line, as the authors' does.
    last = across[-1] / (2 * (length % 4))
    along, across = np.append(np.insert(along, 0, 0), length), np.append(np.insert(across, 0, 0), last)
    rows = start + along * math.sin(angle) + across * math.cos(angle)
    columns = 2 + along * math.cos(angle) - across * math.sin(angle)
    return np.stack([rows, columns], axis=1)


def draw_line(first: Any, second: Any) -> NDArray[np.float64]:
    """A line in [0, 1], float64 [28, 28], between two points (row, column) from left to right. It fades with the
    vertical distance d from it as log(1 − d / 2.3) + 1."""
    (first_row, first_column), (second_row, second_column) = first, second
    slope = (second_row - first_row) / (second_column - first_column)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    distance = np.abs(rows - first_row - slope * (columns - first_column))
    # The line is black beyond a distance of 2.3 × (1 − 1 / e) ≈ 1.45.
    line = np.log(1 - np.minimum(distance, 2) / 2.3) + 1
    line[(columns < math.floor(first_column)) | (columns >= math.ceil(second_column))] = 0
    return line.clip(0, 1)


def canny_edges(images: Images, generator: np.random.Generator) -> Images:
    """White edges on black (J. Canny 1986) with scikit-image's defaults: a blur of 1 pixel, Sobel gradients, edges
    of at least 0.1 that are connected to one of at least 0.2."""
    smooth = ndimage.gaussian_filter(images / 255, (0, 1, 1), mode="constant")
    downward, rightward = sobel(smooth, along=1, across=2), sobel(smooth, along=2, across=1)
    strength = np.hypot(downward, rightward)
    edges = (strength >= 0.1) & is_ridge(strength, downward, rightward)

    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = True
    regions, count = ndimage.label(edges, in_plane)
    is_strong = np.zeros(count + 1, bool)
    is_strong[regions[edges & (strength >= 0.2)]] = True
    return np.where(is_strong[regions], np.uint8(255), np.uint8(0))


def sobel(values: NDArray[np.float64], along: int, across: int) -> NDArray[np.float64]:
    """The derivative along one axis, smoothed across it. SciPy's own would also smooth over the digits."""
    difference = ndimage.correlate1d(values, [-1, 0, 1], axis=along)
    return ndimage.correlate1d(difference, [1, 2, 1], axis=across)


def is_ridge(
    strength: NDArray[np.float64], downward: NDArray[np.float64], rightward: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where the strength of a gradient is not below that one pixel ahead in the direction of the gradient, nor below
    that one pixel behind, bool [N, 28, 28]. Between pixels it is interpolated. Pixels on the border are no ridge."""
    steep = np.maximum(np.abs(downward), np.abs(rightward))
    flat = np.minimum(np.abs(downward), np.abs(rightward))
    diagonal_part = flat / np.maximum(steep, 1e-12)
    vertical = np.abs(downward) >= np.abs(rightward)
    row_step, column_step = np.sign(downward).astype(int), np.sign(rightward).astype(int)

    padded = np.pad(strength, ((0, 0), (1, 1), (1, 1)))
    digits, rows, columns = np.indices(strength.shape)
    ridge = np.ones(strength.shape, bool)
    for side in (1, -1):
        beside_rows, beside_columns = rows + 1 + side * row_step, columns + 1 + side * column_step
        diagonal = padded[digits, beside_rows, beside_columns]
        straight_rows = np.where(vertical, beside_rows, rows + 1)
        straight_columns = np.where(vertical, columns + 1, beside_columns)
        straight = padded[digits, straight_rows, straight_columns]
        ridge &= strength >= diagonal_part * diagonal + (1 - diagonal_part) * straight
    ridge[:, [0, -1]] = False
    ridge[:, :, [0, -1]] = False
    return ridge


MNIST_C: dict[str, Corruption] = {
    "shot noise": shot_noise,
    "impulse noise": impulse_noise,
    "glass blur": glass_blur,
    "motion blur": motion_blur,
    "shear": shear,
    "scale": scale,
    "rotate": rotate,
    "brightness": brightness,
    "translate": translate,
    "stripe": stripe,
    "fog": fog,
    "spatter": spatter,
    "dotted line": dotted_line,
    "zigzag": zigzag,
    "canny edges": canny_edges,
}

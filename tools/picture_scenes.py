"""Measures the error rate on MNIST's test digits when they are drawn into made pictures, like photos of pen on paper.

    python -m tools.picture_scenes --checkpoint outputs/compact-0 --root data
    python -m tools.picture_scenes --save FOLDER        saves one picture of each scene

Scene `shaded`: digits enlarged to 100–400 pixels, dark or light, off-center, on a shaded background with noise. The
other scenes imitate scans and photographs; no real ones are included.
"""

import argparse
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from digits.data.idx import read_mnist
from digits.data.pictures.normalize import normalize_picture
from digits.data.pictures.segment import Array
from digits.errors import InputError
from digits.prediction.classifier import load_classifier

Color: TypeAlias = tuple[int, int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="of the network that classifies the pictures")
    parser.add_argument("--root", default="data", help="folder of MNIST/raw (default: data)")
    parser.add_argument("--count", type=int, default=500, help="test digits per scene (default: the first 500)")
    parser.add_argument("--scenes", nargs="*", choices=SCENES, default=list(SCENES))
    parser.add_argument("--save", type=Path, help="folder for one picture of each scene")
    options = parser.parse_args()
    images, labels = (tensor[: options.count] for tensor in read_mnist(options.root, "t10k", download=True))
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        for index, scene in enumerate(options.scenes):
            SCENES[scene](images[index + 7].numpy(), np.random.default_rng(index)).save(options.save / f"{scene}.png")
    if options.checkpoint:
        measure_errors(options.checkpoint, options.scenes, images, labels)


def measure_errors(checkpoint: str, scenes: list[str], images: torch.Tensor, labels: torch.Tensor) -> None:
    """Prints the error rate on the images themselves, then on each scene. A picture reported as blank is an error."""
    classifier = load_classifier(checkpoint)

    def print_errors(name: str, digits: torch.Tensor, remark: str = "") -> None:
        errors = int((classifier.predict(digits).argmax(1) != labels).sum())
        print(f"{name:<12}{errors / len(labels):7.2%} ({errors:,}/{len(labels):,})  {remark}", flush=True)

    print_errors("unchanged", images)
    for scene in scenes:
        generator = np.random.default_rng(0)
        digits, blank = torch.zeros_like(images), 0
        for index, image in enumerate(images.numpy()):
            try:
                digits[index] = torch.from_numpy(normalize_picture(SCENES[scene](image, generator)))
            except InputError:
                blank += 1
        print_errors(scene, digits, f"{blank} reported as blank")


def shaded(digit: Array, generator: np.random.Generator) -> Image.Image:
    """A digit uint8 [28, 28] as a picture of 100 to 400 pixels."""
    size = int(generator.integers(100, 401))
    side = int(size * generator.uniform(0.4, 1))
    method = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)[generator.integers(3)]
    enlarged = np.asarray(Image.fromarray(digit).resize((side, side), method)) / 255
    ink = place(enlarged, size, size, generator.integers(0, size - side + 1, 2))
    if generator.random() < 0.5:
        ink = 1 - ink
    darkest, brightest = generator.uniform(0, 60), generator.uniform(180, 255)
    values = (darkest + (brightest - darkest) * ink) * illumination(size, size, generator, 0.5)
    return Image.fromarray((values + generator.normal(scale=8, size=ink.shape)).clip(0, 255).astype(np.uint8))


def photograph(
    digit: Array,
    generator: np.random.Generator,
    *,
    stroke: float = 1.0,
    contrast: float = 1.0,
    size: tuple[float, float] = (0.25, 0.7),
    paper: Color = (226, 220, 206),
    pens: tuple[Color, ...] = ((25, 25, 30), (30, 45, 125), (150, 35, 35)),
    horizontal_lines: bool = False,
    vertical_lines: bool = False,
    shadow: bool = False,
    table: bool = False,
) -> Image.Image:
    """A photo of a slightly rotated digit in pen on paper. `stroke` scales the stroke width; `size` is the range of the
    digit's size relative to the picture; `shadow` has a sharp edge; `table` shows a dark strip beside the paper."""
    height = int(generator.integers(300, 900))
    width = int(height * generator.uniform(0.75, 1.35))
    side = int(min(height, width) * generator.uniform(*size) * 1.4)
    strokes = draw_strokes(digit, side, stroke)
    strokes = ndimage.rotate(strokes, generator.uniform(-8, 8), reshape=False, order=1).clip(0, 1)
    corner = [generator.integers(-side // 8, max(room - side * 7 // 8, 1)) for room in (height, width)]
    ink = place(strokes, height, width, corner) * contrast
    background = np.ones((height, width, 1)) * paper
    rows, columns = np.mgrid[:height, :width]
    spacing = (0.07 if horizontal_lines and vertical_lines else 0.16) * height
    for lines, across, along in ((horizontal_lines, rows, columns), (vertical_lines, columns, rows)):
        if lines:
            background[(across + 0.03 * along) % spacing < max(1, 0.006 * height)] = (160, 178, 210)
    values = background * (1 - ink[..., None]) + np.array(pens[generator.integers(len(pens))]) * ink[..., None]
    values = values + 4 * ndimage.gaussian_filter(generator.normal(size=(height, width)), 1.5)[..., None]
    light = illumination(height, width, generator, 0.4)
    if shadow:
        slope = generator.uniform(-1, 1)
        light = light * np.where(rows / height + slope * (columns / width - 0.5) > generator.uniform(0.3, 0.7), 0.6, 1)
    values = values * light[..., None]
    if table:
        values[:, : int(width * generator.uniform(0.02, 0.05))] = (72, 52, 38)
    values = ndimage.gaussian_filter(values, (0.8, 0.8, 0)) + generator.normal(scale=4, size=values.shape)
    file = BytesIO()  # JPEG artifacts are part of a photo
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=int(generator.integers(50, 93)))
    return Image.open(file)


def draw_strokes(digit: Array, side: int, stroke: float) -> Array:
    """Sharp strokes in [0, 1], float [side, side], with the digit's stroke width times `stroke`."""
    smooth = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    inside = ndimage.gaussian_filter(np.asarray(smooth, dtype=np.float32), side / 60) > 110
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    half_width = np.median(depth[(depth == ndimage.maximum_filter(depth, 5)) & inside])
    strokes: Array = np.clip(depth + half_width * (stroke - 1), 0, 1)
    return strokes


def place(ink: Array, height: int, width: int, corner: "list[int] | Array") -> Array:
    """The ink in float [height, width] with its upper left at `corner`, cropped at the borders."""
    placed = np.zeros((height, width))
    top, left = (int(start) for start in corner)
    visible = ink[max(-top, 0) : height - top, max(-left, 0) : width - left]
    top, left = max(top, 0), max(left, 0)
    placed[top : top + visible.shape[0], left : left + visible.shape[1]] = visible
    return placed


def illumination(height: int, width: int, generator: np.random.Generator, strength: float) -> Array:
    """A linear gradient around 1, float [height, width]."""
    angle = generator.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:height, :width]
    gradient: Array = np.cos(angle) * (rows / height - 0.5) + np.sin(angle) * (columns / width - 0.5)
    return 1 + strength * gradient


SCENES: dict[str, Callable[[Array, np.random.Generator], Image.Image]] = {
    "shaded": shaded,
    "pen": photograph,
    "pencil": partial(photograph, contrast=0.25, pens=((70, 70, 75),)),
    "ballpoint": partial(photograph, stroke=0.6, pens=((30, 45, 125),)),
    "marker": partial(photograph, stroke=1.7),
    "shadow": partial(photograph, shadow=True),
    "ruled": partial(photograph, horizontal_lines=True),
    "squared": partial(photograph, horizontal_lines=True, vertical_lines=True),
    "table": partial(photograph, table=True),
    "corner": partial(photograph, size=(0.08, 0.15)),
    "chalk": partial(photograph, paper=(48, 66, 56), pens=((225, 225, 215),)),
}


if __name__ == "__main__":
    main()

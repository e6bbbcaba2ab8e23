"""How many of MNIST's test digits are misread once they are pictures of pen on paper.

    python -m tools.picture_scenes --checkpoint outputs/compact-0 --root data
    python -m tools.picture_scenes --save FOLDER        writes one picture of each scene, for a preview

The scene `shaded`: digits enlarged to 100–400 pixels, in either polarity, moved off centre, on a shaded ground with
noise. The others are made to be like scans and photographs; no real ones are at hand."""

import argparse
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from digits.data.idx import read_mnist
from digits.data.pictures.images import Array, normalize_picture
from digits.errors import InputError
from digits.prediction.classifier import load_classifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="of the network that reads the pictures")
    parser.add_argument("--root", default="data", help="the folder that holds MNIST/raw")
    parser.add_argument("--count", type=int, default=500, help="digits in each scene, the first of the test set")
    parser.add_argument("--scenes", nargs="*", choices=SCENES, default=list(SCENES))
    parser.add_argument("--save", type=Path, help="a folder for one picture of each scene")
    options = parser.parse_args()
    images, labels = (part[: options.count] for part in read_mnist(options.root, "t10k", download=True))
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        for index, scene in enumerate(options.scenes):
            SCENES[scene](images[index + 7].numpy(), np.random.default_rng(index)).save(options.save / f"{scene}.png")
    if options.checkpoint:
        measure(options.checkpoint, options.scenes, images, labels)


def measure(checkpoint: str, scenes: list[str], images: torch.Tensor, labels: torch.Tensor) -> None:
    classifier = load_classifier(checkpoint)
    report("as they are", int((classifier.predict(images).argmax(1) != labels).sum()), len(labels), "")
    for scene in scenes:
        generator = np.random.default_rng(0)
        seen, blank = torch.zeros_like(images), 0
        for index, digit in enumerate(images.numpy()):
            try:
                seen[index] = torch.from_numpy(normalize_picture(SCENES[scene](digit, generator)))
            except InputError:
                blank += 1
        errors = int((classifier.predict(seen).argmax(1) != labels).sum())
        report(scene, errors, len(labels), f"{blank} called blank")


def report(scene: str, errors: int, total: int, remark: str) -> None:
    print(f"{scene:<12}{errors / total:7.2%} ({errors:,}/{total:,})  {remark}", flush=True)


def shaded(digit: Array, generator: np.random.Generator) -> Image.Image:
    """A digit uint8 [28, 28] as a picture of 100 to 400 pixels."""
    size = int(generator.integers(100, 401))
    side = int(size * generator.uniform(0.4, 1))
    method = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)[generator.integers(3)]
    enlarged = np.asarray(Image.fromarray(digit).resize((side, side), method)) / 255
    ink = placed(enlarged, size, size, generator.integers(0, size - side + 1, 2))
    if generator.random() < 0.5:
        ink = 1 - ink
    darkest, brightest = generator.uniform(0, 60), generator.uniform(180, 255)
    values = (darkest + (brightest - darkest) * ink) * light(size, size, generator, 0.5)
    return Image.fromarray((values + generator.normal(scale=8, size=ink.shape)).clip(0, 255).astype(np.uint8))


def photograph(
    digit: Array,
    generator: np.random.Generator,
    *,
    stroke: float = 1.0,
    contrast: float = 1.0,
    part: tuple[float, float] = (0.25, 0.7),
    paper: tuple[int, int, int] = (226, 220, 206),
    pens: tuple[tuple[int, int, int], ...] = ((25, 25, 30), (30, 45, 125), (150, 35, 35)),
    lines: tuple[bool, bool] = (False, False),
    shadow: bool = False,
    table: bool = False,
) -> Image.Image:
    """Pen on paper, turned a little, photographed: `stroke` is the width against that of the digit, `part` how much of
    the picture it takes, `lines` whether the paper is ruled along and across, `shadow` one with a sharp edge."""
    height = int(generator.integers(300, 900))
    width = int(height * generator.uniform(0.75, 1.35))
    side = int(min(height, width) * generator.uniform(*part) * 1.4)
    strokes = drawn(digit, side, stroke)
    strokes = ndimage.rotate(strokes, generator.uniform(-8, 8), reshape=False, order=1).clip(0, 1)
    corner = [generator.integers(-side // 8, max(room - side * 7 // 8, 1)) for room in (height, width)]
    ink = placed(strokes, height, width, corner) * contrast
    ground = np.ones((height, width, 1)) * paper
    rows, columns = np.mgrid[:height, :width]
    for wanted, along, across in ((lines[0], rows, columns), (lines[1], columns, rows)):
        if wanted:
            phase = (along + 0.03 * across) % (0.07 * height if all(lines) else 0.16 * height)
            ground[phase < max(1, 0.006 * height)] = (160, 178, 210)
    values = ground * (1 - ink[..., None]) + np.array(pens[generator.integers(len(pens))]) * ink[..., None]
    values = values + 4 * ndimage.gaussian_filter(generator.normal(size=(height, width)), 1.5)[..., None]
    shade = light(height, width, generator, 0.4)
    if shadow:
        slope = generator.uniform(-1, 1)
        shade = shade * np.where(rows / height + slope * (columns / width - 0.5) > generator.uniform(0.3, 0.7), 0.6, 1)
    values = values * shade[..., None]
    if table:
        values[:, : int(width * generator.uniform(0.02, 0.05))] = (72, 52, 38)
    values = ndimage.gaussian_filter(values, (0.8, 0.8, 0)) + generator.normal(scale=4, size=values.shape)
    file = BytesIO()  # its traces are part of a photograph
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=int(generator.integers(50, 93)))
    return Image.open(file)


def drawn(digit: Array, side: int, stroke: float) -> Array:
    """Crisp strokes in [0, 1], float [side, side], wider or narrower than the digit's by a factor."""
    smooth = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    inside = ndimage.gaussian_filter(np.asarray(smooth, dtype=np.float32), side / 60) > 110
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    half = np.median(depth[(depth == ndimage.maximum_filter(depth, 5)) & inside])
    strokes: Array = np.clip(depth + half * (stroke - 1), 0, 1)
    return strokes


def placed(ink: Array, height: int, width: int, corner: "list[int] | Array") -> Array:
    """The ink on a larger sheet, float [height, width], its upper left at the corner; cut off where it stands out."""
    sheet = np.zeros((height, width))
    top, left = (int(place) for place in corner)
    part = ink[max(-top, 0) : height - top, max(-left, 0) : width - left]
    top, left = max(top, 0), max(left, 0)
    sheet[top : top + part.shape[0], left : left + part.shape[1]] = part
    return sheet


def light(height: int, width: int, generator: np.random.Generator, strength: float) -> Array:
    """A gradient of illumination around 1, float [height, width]."""
    angle = generator.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:height, :width]
    gradient: Array = np.cos(angle) * (rows / height - 0.5) + np.sin(angle) * (columns / width - 0.5)
    return 1 + strength * gradient


def scene(**settings: object) -> Callable[[Array, np.random.Generator], Image.Image]:
    return lambda digit, generator: photograph(digit, generator, **settings)  # type: ignore[arg-type]


SCENES: dict[str, Callable[[Array, np.random.Generator], Image.Image]] = {
    "shaded": shaded,
    "pen": scene(),
    "pencil": scene(contrast=0.25, pens=((70, 70, 75),)),
    "ballpoint": scene(stroke=0.6, pens=((30, 45, 125),)),
    "marker": scene(stroke=1.7),
    "shadow": scene(shadow=True),
    "ruled": scene(lines=(True, False)),
    "squared": scene(lines=(True, True)),
    "table": scene(table=True),
    "corner": scene(part=(0.08, 0.15)),
    "chalk": scene(paper=(48, 66, 56), pens=((225, 225, 215),)),
}


if __name__ == "__main__":
    main()

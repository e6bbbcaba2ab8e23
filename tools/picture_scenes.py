"""Measures predictions of made pictures: MNIST's test digits drawn like photos of pen on paper, European digits, and
pictures without a digit or with two.

    python -m tools.picture_scenes --root data --results docs/pictures/now.json --page docs/pictures.md
    python -m tools.picture_scenes --save FOLDER        saves one picture of each scene

No real photographs are included. Failures are wrong labels and refused pictures; if there is no digit, labels with a
confidence above 0.9; if there are several digits, all labels.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import matplotlib
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from scipy import ndimage
from sklearn.datasets import load_digits

from benchmarks.report import markdown_table, replace_blocks
from digits.data.mnist_files import read_mnist
from digits.data.non_digits import LETTERS
from digits.data.pictures.masks import Array
from digits.files import write_json
from tools.predicted_pictures import predict_folder

Color: TypeAlias = tuple[int, int, int]
Digits: TypeAlias = list[Array]  # uint8 [28, 28]: the digit of the picture, and three others
Drawing: TypeAlias = Callable[[Digits, int, np.random.Generator], Array]  # strokes [side, side] in [0, 1]

SKIN: tuple[Color, ...] = ((196, 150, 125), (150, 100, 75), (95, 62, 48))
CLOTH: tuple[Color, ...] = ((60, 80, 130), (150, 40, 50), (50, 50, 55), (110, 140, 90))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="bundled", help="of the network that classifies the pictures")
    parser.add_argument("--root", default="data", help="folder of MNIST/raw (default: data)")
    parser.add_argument("--count", type=int, default=100, help="pictures per scene (default: 100)")
    parser.add_argument("--scenes", nargs="*", choices=SCENES, default=list(SCENES))
    parser.add_argument("--results", type=Path, help="a JSON file for the results")
    parser.add_argument("--page", type=Path, help="rebuild the table of this page from the results in its folder")
    parser.add_argument("--save", type=Path, help="only save one picture of each scene in this folder")
    options = parser.parse_args()
    if options.save:
        for index, scene in enumerate(options.scenes):
            save_pictures(options.save, scene, options.root, [index + 7], name=scene)
        return
    results, predicted = {}, []
    for scene in options.scenes:
        with TemporaryDirectory() as folder:
            labels, rows = predict_scene(scene, Path(folder), options)
        correct = rows["label"] == labels.reindex(rows.index)
        if scene in NO_DIGIT:
            failures = int((rows["confidence"] > 0.9).sum())
        elif scene in SEVERAL:
            failures = len(rows)
        else:
            failures = len(labels) - int(correct.sum())
            predicted.append(pd.DataFrame({"confidence": rows["confidence"], "correct": correct}))
        results[scene] = {"pictures": len(labels), "refused": len(labels) - len(rows), "failures": failures}
        print(f"{scene:<16}{failures:4} of {len(labels)}, {len(labels) - len(rows)} refused", flush=True)
    if predicted:
        error = calibration_error(pd.concat(predicted))
        print(f"expected calibration error of the scenes with one digit: {error:.2%}")
        if options.results:
            write_json({"scenes": results, "calibration_error": error}, options.results)
    if options.page:
        options.page.write_text(update_page(options.page.read_text(), options.page.with_suffix("")))


def predict_scene(scene: str, folder: Path, options: argparse.Namespace) -> tuple[pd.Series, pd.DataFrame]:
    """Makes the pictures of a scene, and predicts them as predict.py does. Returns the labels and the predictions, by
    file name; refused pictures have no prediction."""
    with ProcessPoolExecutor(2) as pool:
        parts = pool.map(partial(save_pictures, folder, scene, options.root), np.array_split(range(options.count), 2))
        labels = pd.concat(list(parts))
    return labels, predict_folder(options.checkpoint, folder)


def calibration_error(predicted: pd.DataFrame) -> float:
    """The expected calibration error over 15 bins of confidence."""
    gaps = predicted["confidence"] - predicted["correct"]
    bins = (predicted["confidence"] * 15).astype(int).clip(upper=14)
    return float(gaps.groupby(bins).sum().abs().sum() / len(predicted))


def update_page(page: str, folder: Path) -> str:
    """The page with its block `<!-- scenes -->` rebuilt from the results before and now."""
    before, now = (json.loads((folder / f"{name}.json").read_text()) for name in ("before", "now"))
    rows = [
        [
            scene,
            *(failure_rate(one["scenes"].get(scene)) for one in (before, now)),
        ]
        for scene in SCENES
    ]
    rows.append(["calibration error", *(f"{one['calibration_error']:.1%}" for one in (before, now))])

    return replace_blocks(page, lambda _: markdown_table(["failures", "before", "now"], rows))


def failure_rate(result: dict[str, int] | None) -> str:
    """The rate of a scene, or a dash for a scene that was not measured."""
    return f"{result['failures'] / result['pictures']:.1%}" if result else "–"


def save_pictures(folder: Path, scene: str, root: str, indices: Sequence[int], name: str | None = None) -> pd.Series:
    """Saves pictures of a scene as PNG files, each from its own seed, and returns their labels by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = (tensor.numpy() for tensor in read_digits(scene, root))
    if scene in OF_CLASS:
        chosen = labels == OF_CLASS[scene]
        images, labels = images[chosen], labels[chosen]
    saved = {}
    for index in indices:
        generator = np.random.default_rng([list(SCENES).index(scene), int(index)])
        position = int(index) % len(images)
        digits = [images[position], *images[generator.integers(len(images), size=3)]]
        file = f"{name or int(index)}.png"
        SCENES[scene](digits, generator).save(folder / file)
        saved[file] = int(labels[position])
    return pd.Series(saved)


def read_digits(scene: str, root: str) -> tuple[torch.Tensor, torch.Tensor]:
    """MNIST's test digits, or those of scikit-learn (8×8 pixels, by Turkish writers), uint8 and int64."""
    if scene != "load_digits":
        return read_mnist(root, "t10k", download=True)
    bunch = load_digits()
    return torch.from_numpy((bunch.images * 255 / 16).astype(np.uint8)), torch.from_numpy(bunch.target)


def shaded(digits: Digits, generator: np.random.Generator) -> Image.Image:
    """A digit uint8 [28, 28] as a picture of 100 to 400 pixels, dark or light, on a shaded background with noise."""
    digit = digits[0]
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


def photograph(  # noqa: PLR0913
    digits: Digits,
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
    draw: Drawing | None = None,
) -> Image.Image:
    """A photo of a slightly rotated digit in pen on paper. `stroke` scales the stroke width; `size` is the range of the
    digit's size relative to the picture; `shadow` has a sharp edge; `table` shows a dark strip beside the paper.
    `draw` makes the strokes, in place of `draw_strokes`."""
    height = int(generator.integers(300, 900))
    width = int(height * generator.uniform(0.75, 1.35))
    side = int(min(height, width) * generator.uniform(*size) * 1.4)
    strokes = draw(digits, side, generator) if draw else draw_strokes(digits[0], side, stroke)
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


def enlarged(digits: Digits, generator: np.random.Generator) -> Image.Image:
    """Enlarged to 100–200 pixels, dark on white."""
    side = int(generator.integers(100, 201))
    picture = Image.fromarray(255 - digits[0]).resize((side, side), Image.Resampling.BICUBIC)
    return ImageOps.expand(picture, side // 5, 255)


def tight(digits: Digits, generator: np.random.Generator) -> Image.Image:
    """A photo of a digit that touches the four sides of the picture."""
    side = int(generator.integers(150, 500))
    strokes = draw_strokes(digits[0], side, generator.uniform(0.8, 1.5))
    rows, columns = np.flatnonzero(strokes.any(1)), np.flatnonzero(strokes.any(0))
    strokes = strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    values = (1 - 0.8 * strokes) * illumination(*strokes.shape, generator, 0.3) * 220
    return Image.fromarray((values + generator.normal(scale=5, size=strokes.shape)).clip(0, 255).astype(np.uint8))


def tiny(digits: Digits, generator: np.random.Generator, contrast: float = 1.0) -> Image.Image:
    """A photo reduced to 28×28 pixels."""
    picture = photograph(digits, generator, contrast=contrast, size=(0.5, 0.8))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side)).resize((28, 28), Image.Resampling.BOX)


def coarse(tones: int, digits: Digits, generator: np.random.Generator) -> Image.Image:
    """A digit on 8 to 32 pixels in a few tones, dark or light."""
    side = int(generator.integers(8, 33))
    values = np.asarray(Image.fromarray(digits[0]).resize((side, side), Image.Resampling.BICUBIC)) / 255
    values = np.round(values * (tones - 1)) / (tones - 1) * 255
    return Image.fromarray((255 - values if generator.random() < 0.5 else values).astype(np.uint8))


def broken(digits: Digits, side: int, generator: np.random.Generator) -> Array:
    """Strokes with two or three gaps, as a dry pen leaves them."""
    strokes = draw_strokes(digits[0], side, 1.0)
    rows, columns = np.mgrid[:side, :side]
    for _ in range(generator.integers(2, 4)):
        inked = np.argwhere(strokes > 0.5)
        row, column = inked[generator.integers(len(inked))]
        angle = generator.uniform(0, np.pi)
        distance = np.abs((rows - row) * np.cos(angle) + (columns - column) * np.sin(angle))
        nearby = np.hypot(rows - row, columns - column) < side / 8
        strokes[(distance < side * generator.uniform(0.008, 0.02)) & nearby] = 0
    return strokes


def brushed(digits: Digits, side: int, generator: np.random.Generator) -> Array:
    """Wide strokes with uneven ink: a half of them is up to five times as light as the other."""
    strokes = draw_strokes(digits[0], side, 1.5)
    light = generator.uniform(0.2, 0.4)
    field = ndimage.gaussian_filter(generator.normal(size=(side, side)), side / 6)
    field = (field - field.min()) / np.ptp(field)
    return strokes * (light + (1 - light) * field)


def european(label: int, digits: Digits, side: int, generator: np.random.Generator) -> Array:
    """A 1 with a long, slightly bent upstroke, a crossed 7, or a 9 with a curled foot: curves of a round pen."""
    strokes = draw_strokes(digits[0], side, 1.0)
    inked = strokes > 0.5
    depth = ndimage.distance_transform_edt(inked)
    radius = float(np.median(depth[(depth == ndimage.maximum_filter(depth, 5)) & inked]))
    rows = np.flatnonzero(inked.any(1))
    top, bottom, height = rows[0], rows[-1], rows[-1] - rows[0]
    above, below, middle = (
        np.array([np.flatnonzero(inked[row]).mean(), row])
        for row in (int(top + radius), int(bottom - radius), (top + bottom) // 2)
    )
    if label == 1:
        lean = np.arctan2(*(above - below) * (1, -1))
        angle = min(max(lean, 0) + np.radians(generator.uniform(28, 48)), np.radians(65))  # a level one would be a 7
        tip = above + generator.uniform(0.35, 0.7) * height * np.array([-np.sin(angle), np.cos(angle)])
        bend = (above + tip) / 2 + generator.normal(scale=0.04 * height, size=2)
        curve = np.stack([above, bend, tip])
    elif label == 7:
        half = generator.uniform(0.15, 0.25) * height
        rise = generator.uniform(-0.3, 0.3) * half
        curve = middle + np.array([(-half, rise), (0, generator.normal(scale=0.02 * height)), (half, -rise)])
    else:
        reach = generator.uniform(0.3, 0.55) * height
        curve = below + np.array([(0, 0), (-0.6 * reach, 0.25 * reach), (-reach, -0.2 * reach)])
    picture = Image.new("L", (2 * side, 2 * side))
    pen = ImageDraw.Draw(picture)
    for t in np.linspace(0, 1, 200):  # a quadratic Bézier curve
        x, y = 2 * ((1 - t) ** 2 * curve[0] + 2 * t * (1 - t) * curve[1] + t**2 * curve[2])
        width = 2 * radius * (1 - 0.25 * t)
        pen.ellipse((x - width, y - width, x + width, y + width), 255)
    added = np.asarray(picture.resize((side, side), Image.Resampling.BOX)) / 255
    return np.maximum(strokes, added)


def letter(digits: Digits, side: int, generator: np.random.Generator) -> Array:
    """A letter that resembles no digit, in a font that training does not use."""
    file = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{generator.choice(['cmr10', 'cmti10', 'cmss10'])}.ttf")
    picture = Image.new("L", (side, side))
    font = ImageFont.truetype(file, int(0.8 * side))
    ImageDraw.Draw(picture).text((side / 2, side / 2), generator.choice(LETTERS), 255, font, anchor="mm")
    return np.asarray(picture) / 255


def hand(digits: Digits, side: int, generator: np.random.Generator) -> Array:
    """A palm with a wrist, a thumb and two to four fingers, spread or closed."""
    picture = Image.new("L", (side, side))
    pen = ImageDraw.Draw(picture)
    palm = np.array([0.5, 0.62]) * side
    spread = generator.uniform(5, 18)  # degrees between fingers
    fingers = generator.integers(2, 5)
    down = np.array([0, side])
    draw_limb(pen, palm, palm + 0.5 * down, generator.uniform(0.13, 0.17) * side)
    draw_limb(pen, palm - 0.04 * down, palm + 0.06 * down, generator.uniform(0.15, 0.19) * side)
    for finger in range(fingers):
        angle = np.radians((finger - 1.5) * spread + generator.normal(scale=2))
        direction = np.array([np.sin(angle), -np.cos(angle)])
        knuckle = palm + side * np.array([(finger - 1.5) * 0.085, -0.1])
        length = generator.uniform(0.28, 0.38) * side
        draw_limb(pen, knuckle, knuckle + length * direction, 0.045 * side)
    thumb = np.radians(generator.uniform(35, 75)) * generator.choice([-1, 1])
    draw_limb(pen, palm, palm + 0.33 * side * np.array([np.sin(thumb), -np.cos(thumb)]), 0.055 * side)
    return np.asarray(picture.rotate(generator.uniform(-30, 30))) / 255


def draw_limb(pen: ImageDraw.ImageDraw, start: Array, end: Array, radius: float) -> None:
    """A line with round ends."""
    for t in np.linspace(0, 1, 40):
        x, y = start + t * (end - start)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255)


def clothes(digits: Digits, side: int, generator: np.random.Generator) -> Array:
    """A shirt or trousers, laid flat."""
    picture = Image.new("L", (side, side))
    pen = ImageDraw.Draw(picture)
    width, length = generator.uniform(0.14, 0.2), generator.uniform(0.35, 0.42)
    sleeve, drop = generator.uniform(0.2, 0.34), generator.uniform(0.02, 0.25)
    if generator.random() < 0.5:
        half = [(0.07, -0.38), (width, -0.36), (width + sleeve, drop - 0.25), (width + sleeve - 0.08, drop - 0.13)]
        half += [(width, -0.15), (width, length - 0.02)]
    else:
        half = [(width, -0.42), (width + 0.1, length), (width - 0.02, length), (0.01, -0.12)]
    right = [(0.5 + x, 0.5 + y) for x, y in half]
    left = [(0.5 - x, 0.5 + y) for x, y in reversed(half)]
    pen.polygon([(x * side, y * side) for x, y in right + left], 255)
    return np.asarray(picture.rotate(generator.uniform(-15, 15))) / 255


def scan(digits: Digits, generator: np.random.Generator) -> Image.Image:
    """A photo in two tones, reduced to 60 to 300 pixels of its shorter side."""
    picture = photograph(digits, generator, size=(0.4, 0.8)).convert("L")
    factor = generator.uniform(60, 300) / min(picture.size)
    picture = picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BOX)
    values = np.asarray(picture)
    level = generator.uniform(0.5, 0.8) * np.median(values)
    return Image.fromarray(np.where(values > level, 255, 0).astype(np.uint8))


def small_scan(digits: Digits, generator: np.random.Generator) -> Image.Image:
    """A digit in two tones, with a side of 12 to 32 pixels, dark or light."""
    side = int(generator.integers(12, 33))
    picture = Image.fromarray(digits[0]).resize((side, side), Image.Resampling.BICUBIC)
    ink = np.asarray(picture) > generator.uniform(80, 160)
    dark_ink = generator.random() < 0.5
    return Image.fromarray(np.where(ink == dark_ink, 0, 255).astype(np.uint8))


def blank(digits: Digits, side: int, generator: np.random.Generator) -> Array:
    return np.zeros((side, side))


def several(layout: tuple[int, int], digits: Digits, side: int, generator: np.random.Generator) -> Array:
    """Digits in rows and columns."""
    rows, columns = layout
    each = side // max(rows, columns)
    grid = [
        [draw_strokes(digits[row * columns + column], each, 1.0) for column in range(columns)] for row in range(rows)
    ]
    block = np.block(grid)
    return place(block, side, side, [(side - length) // 2 for length in block.shape])


def landscape(digits: Digits, generator: np.random.Generator) -> Image.Image:
    """Sky, two chains of hills, and trees."""
    height, width = 360, 480
    rows, columns = np.mgrid[:height, :width]
    values = np.array([150, 190, 230]) + (rows / height * 60)[..., None]
    for level, color in ((0.45, (110, 140, 120)), (0.65, (70, 110, 60))):
        waves = sum(generator.uniform(5, 30) * np.sin(columns[0] / generator.uniform(20, 90) + k) for k in range(4))
        values[rows > level * height + waves] = color
    for _ in range(generator.integers(2, 7)):
        x, y, size = generator.integers(width), generator.integers(int(0.5 * height), height), generator.uniform(10, 45)
        values[np.hypot(rows - y + size, columns - x) < size] = (40, 75, 35)
        values[(np.abs(columns - x) < size / 8) & (rows >= y) & (rows < y + size)] = (70, 50, 35)
    values = ndimage.gaussian_filter(values, (1, 1, 0)) + generator.normal(scale=6, size=values.shape)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def clouds(digits: Digits, generator: np.random.Generator) -> Image.Image:
    """Smooth white noise on blue."""
    noise = sum(ndimage.gaussian_filter(generator.normal(size=(300, 400)), s) * s for s in (4, 12, 36))
    white = ((noise - np.median(noise)) / noise.std()).clip(0, 1)[..., None]
    values = np.array([90, 140, 210]) * (1 - white) + 245 * white
    return Image.fromarray((values + generator.normal(scale=3, size=values.shape)).clip(0, 255).astype(np.uint8))


SCENES: dict[str, Callable[[Digits, np.random.Generator], Image.Image]] = {
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
    "tight crop": tight,
    "28×28": tiny,
    "broken strokes": partial(photograph, draw=broken),
    "brush": partial(photograph, draw=brushed),
    "European 1": partial(photograph, draw=partial(european, 1)),
    "open 4": photograph,
    "crossed 7": partial(photograph, draw=partial(european, 7)),
    "curled 9": partial(photograph, draw=partial(european, 9)),
    "load_digits": enlarged,
    "letters": partial(photograph, draw=letter),
    "landscape": landscape,
    "clouds": clouds,
    "empty ruled": partial(photograph, horizontal_lines=True, draw=blank),
    "empty squared": partial(photograph, horizontal_lines=True, vertical_lines=True, draw=blank),
    "two beside": partial(photograph, draw=partial(several, (1, 2))),
    "two stacked": partial(photograph, draw=partial(several, (2, 1))),
    "four": partial(photograph, draw=partial(several, (1, 4)), size=(0.5, 0.7)),
    # New scenes come last: the position of a scene is a part of its seeds.
    "scan in two tones": scan,
    "12 to 32 pixels, two tones": small_scan,
    "hands": partial(photograph, draw=hand, pens=SKIN, size=(0.5, 0.9)),
    "clothes": partial(photograph, draw=clothes, pens=CLOTH, size=(0.5, 0.7)),
}
# For the comparison of predict.py with its page, tools/page_pictures.py. They are not in the table of docs/pictures.md.
SMALL_SCENES: dict[str, Callable[[Digits, np.random.Generator], Image.Image]] = {
    "faint 28×28": partial(tiny, contrast=0.25),
    "two tones": partial(coarse, 2),
    "four tones": partial(coarse, 4),
}
OF_CLASS = {"European 1": 1, "open 4": 4, "crossed 7": 7, "curled 9": 9}
NO_DIGIT = ("letters", "landscape", "clouds", "empty ruled", "empty squared", "hands", "clothes")
SEVERAL = ("two beside", "two stacked", "four")


if __name__ == "__main__":
    main()

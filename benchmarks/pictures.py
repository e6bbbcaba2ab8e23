"""How many of MNIST's test digits are misread once they are pictures: enlarged to 100–400 pixels, moved off centre, in
either polarity, on a shaded ground with noise.

    python -m benchmarks.pictures --checkpoint outputs/compact-0 --root data
"""

import argparse

import numpy as np
import torch
from PIL import Image

from digits.classifier import load_classifier
from digits.errors import InputError
from digits.images import Array, normalise
from digits.mnist_files import read_mnist


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--root", default="data", help="the folder that holds MNIST/raw")
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    images, labels = (part[: options.count] for part in read_mnist(options.root, "t10k", download=True))
    generator = np.random.default_rng(0)
    pictures, blank = [], 0
    for digit in images.numpy():
        try:
            pictures.append(normalise(as_picture(digit, generator)))
        except InputError:
            pictures.append(np.zeros((28, 28), dtype=np.uint8))
            blank += 1
    classifier = load_classifier(options.checkpoint)
    for name, seen in (("as they are", images), ("as pictures", torch.from_numpy(np.stack(pictures)))):
        errors = int((classifier.predict(seen).argmax(1) != labels).sum())
        print(f"{name:<12}{errors / len(labels):.2%} ({errors:,}/{len(labels):,})")
    print(f"{blank} called blank")


def as_picture(digit: Array, generator: np.random.Generator) -> Image.Image:
    """A digit uint8 [28, 28] as a picture of 100 to 400 pixels."""
    size = int(generator.integers(100, 401))
    side = int(size * generator.uniform(0.4, 1))
    method = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)[generator.integers(3)]
    ink = np.zeros((size, size), dtype=np.float32)
    top, left = generator.integers(0, size - side + 1, 2)
    ink[top : top + side, left : left + side] = np.asarray(Image.fromarray(digit).resize((side, side), method)) / 255
    if generator.random() < 0.5:
        ink = 1 - ink
    darkest, brightest = generator.uniform(0, 60), generator.uniform(180, 255)
    angle = generator.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    shade = 1 + 0.5 * (np.cos(angle) * rows + np.sin(angle) * columns)
    values = (darkest + (brightest - darkest) * ink) * shade + generator.normal(scale=8, size=ink.shape)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()

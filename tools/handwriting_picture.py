"""Draws digits as `augment=handwriting` changes them, and the images that `non_digits` adds.

python -m tools.handwriting_picture docs/handwriting.png
"""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from digits.data.handwriting import RandomHandwriting
from digits.data.non_digits import make_non_digits
from digits.data.sources import sample
from digits.models.layers import scale_images

COLUMNS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    torch.manual_seed(0)
    images, labels = sample().train
    augment = RandomHandwriting(degrees=10.0, translate=(0.08, 0.08), scale=(0.9, 1.1), shear=6.0)
    rows = []
    for digit in (1, 7, 9, 4):
        chosen = torch.nonzero(labels == digit).flatten()[:COLUMNS]
        pixels = scale_images(images[chosen])
        rows += [pixels, augment(pixels, labels[chosen])]
    non_digits = make_non_digits(scale_images(images[:COLUMNS]), 2 * COLUMNS)
    rows += non_digits.view(COLUMNS, 2, *non_digits.shape[1:]).unbind(1)
    picture = Image.fromarray((255 - 255 * join(rows)).byte().numpy())
    picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST).save(path)


def join(rows: list[Tensor]) -> Tensor:
    """Rows of images [N, 1, 28, 28] as one image [28 × rows, 28 × N]."""
    return torch.cat([torch.cat(list(row[:, 0]), 1) for row in rows]).clamp(0, 1)


if __name__ == "__main__":
    main()

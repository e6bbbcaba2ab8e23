"""Draws digits as `augment=handwriting` changes them, and the images that `non_digits` adds.

python -m tools.handwriting_picture docs/handwriting.png
"""

import argparse
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from PIL import Image
from torch import Tensor

from digits.cli.hydra_versions import VERSION_BASE
from digits.data.handwriting import RandomHandwriting
from digits.data.non_digits import NO_DIGIT, make_non_digits
from digits.data.sources import sample
from digits.instantiation import build
from digits.models.layers import scale_images

COLUMNS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    torch.manual_seed(0)
    images, labels = sample().train
    augment = handwriting()
    rows = []
    for digit in (1, 7, 9, 4):
        chosen = torch.nonzero(labels == digit).flatten()[:COLUMNS]
        pixels = scale_images(images[chosen])
        rows += [pixels, augment(pixels, labels[chosen])]

    non_digits = make_non_digits(scale_images(images[:COLUMNS]), 2 * COLUMNS)
    others = torch.full((2 * COLUMNS,), NO_DIGIT)
    for shown in (non_digits, augment(non_digits, others)):
        rows += shown.view(COLUMNS, 2, *shown.shape[1:]).unbind(1)
    picture = Image.fromarray((255 - 255 * join(rows)).byte().numpy())
    picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST).save(path)


def handwriting() -> RandomHandwriting:
    """The augmentation of conf/augment/handwriting.yaml."""
    with initialize_config_dir(str(Path("conf").resolve()), **VERSION_BASE):
        config = compose("train", ["augment=handwriting"])
    augment = build(config.augment, "augment")
    assert isinstance(augment, RandomHandwriting)
    return augment


def join(rows: list[Tensor]) -> Tensor:
    """Rows of images [N, 1, 28, 28] as one image [28 × rows, 28 × N]."""
    return torch.cat([torch.cat(list(row[:, 0]), 1) for row in rows]).clamp(0, 1)


if __name__ == "__main__":
    main()

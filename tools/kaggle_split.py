"""Writes files shaped like Kaggle's Digit Recognizer from MNIST: 42,000 digits in train.csv, 28,000 in test.csv.

    python -m tools.kaggle_split --root data --save kaggle

Unlike Kaggle's, both are labelled, and MNIST's own 10,000 test digits are all in test.csv, so that no training here
ever sees them; the other 18,000 of its rows are drawn from the 60,000.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from digits.data.sources import Digits, mnist


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="MNIST is in ROOT/MNIST/raw, or downloaded there (data)")
    parser.add_argument("--save", type=Path, default=Path("kaggle"), help="folder to write to (kaggle)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of rows (0)")
    arguments = parser.parse_args()
    write_split(arguments.root, arguments.save, arguments.seed)


def write_split(root: str, folder: Path, seed: int = 0) -> None:
    source = mnist(root)
    assert source.test is not None
    order = np.random.default_rng(seed).permutation(60_000)
    folder.mkdir(parents=True, exist_ok=True)
    table(source.train).iloc[order[:42_000]].to_csv(folder / "train.csv", index=False)
    test = pd.concat([table(source.train).iloc[order[42_000:]], table(source.test)])
    test.to_csv(folder / "test.csv", index=False)


def table(digits: Digits) -> pd.DataFrame:
    """Kaggle's columns: label, pixel0 … pixel783."""
    pixels = pd.DataFrame(digits.images.reshape(-1, 784).numpy(), columns=[f"pixel{k}" for k in range(784)])
    pixels.insert(0, "label", digits.labels.numpy())
    return pixels


if __name__ == "__main__":
    main()

"""Writes MNIST in the format of Kaggle's Digit Recognizer: 42,000 digits in train.csv, 28,000 in test.csv.

    python -m tools.kaggle_split --root data --save kaggle

Both files are labeled, unlike Kaggle's test.csv. MNIST's 10,000 test digits are all in test.csv, so that training on
train.csv never uses them; its other 18,000 rows and all of train.csv are random rows of the 60,000 training digits.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from digits.data.sources import Digits, mnist


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST/raw; downloaded if missing (default: data)")
    parser.add_argument("--save", type=Path, default=Path("kaggle"), help="folder for the two files (default: kaggle)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of rows (default: 0)")
    options = parser.parse_args()
    write_split(options.root, options.save, options.seed)


def write_split(root: str, folder: Path, seed: int = 0) -> None:
    source = mnist(root)
    assert source.test is not None
    train, order = to_table(source.train), np.random.default_rng(seed).permutation(60_000)
    folder.mkdir(parents=True, exist_ok=True)
    train.iloc[order[:42_000]].to_csv(folder / "train.csv", index=False)
    pd.concat([train.iloc[order[42_000:]], to_table(source.test)]).to_csv(folder / "test.csv", index=False)


def to_table(digits: Digits) -> pd.DataFrame:
    """Kaggle's columns: label, pixel0 … pixel783."""
    table = pd.DataFrame(digits.images.reshape(-1, 784).numpy(), columns=[f"pixel{number}" for number in range(784)])
    table.insert(0, "label", digits.labels.numpy())
    return table


if __name__ == "__main__":
    main()

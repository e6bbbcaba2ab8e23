"""Input files of the benchmarks, created on first use."""

import subprocess
import sys
from pathlib import Path

import pandas as pd

from benchmarks.harness import PEERS_PYTHON, PROJECT
from tools.kaggle_split import write_split


class Files:
    """Paths of the input files in `folder`; MNIST is in `root`."""

    def __init__(self, folder: Path, root: str) -> None:
        self.folder = folder.resolve()
        self.root = root
        folder.mkdir(parents=True, exist_ok=True)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def train_csv(self) -> Path:
        """42,000 labeled rows in Kaggle's format."""
        if not (self / "train.csv").exists():
            write_split(self.root, self.folder)
        return self / "train.csv"

    def test_csv(self) -> Path:
        """28,000 rows in Kaggle's format, without labels."""
        self.train_csv()
        file = self / "unlabeled.csv"
        if not file.exists():
            pd.read_csv(self / "test.csv", dtype="uint8").drop(columns="label").to_csv(file, index=False)
        return file

    def checkpoint(self) -> Path:
        """The run folder of kaggle_cnn, trained for one epoch on the bundled digits."""
        run = self / "kaggle_cnn"
        if not run.exists():
            _run("train.py", "model=kaggle_cnn", "trainer.max_epochs=1", f"hydra.run.dir={run}")
        return run

    def onnx_model(self) -> Path:
        if not (self / "kaggle_cnn.onnx").exists():
            _run("predict.py", f"checkpoint={self.checkpoint()}", f"export={self / 'kaggle_cnn.onnx'}")
        return self / "kaggle_cnn.onnx"

    def picture(self) -> Path:
        if not (self / "scenes").exists():
            _run("-m", "tools.picture_scenes", "--root", self.root, "--save", str(self / "scenes"))
        return self / "scenes" / "pen.png"

    def keras_model(self) -> Path:
        file = self / "kaggle_cnn.keras"
        if not file.exists() and PEERS_PYTHON.exists():
            _run("-m", "benchmarks.peers.keras_prediction", "--save", str(file), python=PEERS_PYTHON)
        return file


def _run(*arguments: str, python: Path | str = sys.executable) -> None:
    subprocess.run([python, *arguments], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)

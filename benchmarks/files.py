"""The files that contests need, each made when it is first asked for."""

import subprocess
import sys
from pathlib import Path

import pandas as pd

from benchmarks.contest import PEERS_PYTHON, PROJECT
from tools.kaggle_split import write_split


class Files:
    """In a folder of their own, which is the current one for what is made."""

    def __init__(self, folder: Path, root: str) -> None:
        self.folder = folder.resolve()
        self.root = root
        folder.mkdir(parents=True, exist_ok=True)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def train_csv(self) -> Path:
        """42,000 labelled rows, as Kaggle's."""
        if not (self / "train.csv").exists():
            write_split(self.root, self.folder)
        return self / "train.csv"

    def test_csv(self) -> Path:
        """28,000 rows without labels, as Kaggle's."""
        self.train_csv()
        if not (self / "unlabelled.csv").exists():
            pd.read_csv(self / "test.csv", dtype="uint8").drop(columns="label").to_csv(
                self / "unlabelled.csv", index=False
            )
        return self / "unlabelled.csv"

    def checkpoint(self) -> Path:
        """Of kaggle_cnn, trained for an epoch of the bundled digits."""
        run = self / "kaggle_cnn"
        if not run.exists():
            self._python("train.py", "model=kaggle_cnn", "trainer.max_epochs=1", f"hydra.run.dir={run}")
        return run

    def onnx_model(self) -> Path:
        if not (self / "kaggle_cnn.onnx").exists():
            self._python("predict.py", f"checkpoint={self.checkpoint()}", f"export={self / 'kaggle_cnn.onnx'}")
        return self / "kaggle_cnn.onnx"

    def picture(self) -> Path:
        if not (self / "scenes").exists():
            self._python("-m", "tools.picture_scenes", "--root", self.root, "--save", str(self / "scenes"))
        return self / "scenes" / "pen.png"

    def keras_model(self) -> Path:
        file = self / "kaggle_cnn.keras"
        if not file.exists() and PEERS_PYTHON.exists():
            subprocess.run(
                [PEERS_PYTHON, "benchmarks/peers/keras_prediction.py", "--save", file], cwd=PROJECT, check=True
            )
        return file

    def _python(self, *arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)

"""A prediction imports what it needs and not more. The lists of imported modules decide, not the clock."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import PROJECT, frame

from digits.data.sources import sample

HEAVY = ("torch", "lightning", "torchmetrics", "pandas", "matplotlib", "onnx", "scipy.stats")
PICTURES = ("scipy", "PIL.EpsImagePlugin")


def imported_by(program: str, folder: Path) -> set[str]:
    """The modules that a program has imported when it ends."""
    command = [sys.executable, "-X", "importtime", "-c", program]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def predict(*words: str) -> str:
    program = str(PROJECT / "predict.py")
    return f"import runpy, sys; sys.argv = ['predict.py', *{words}]; runpy.run_path({program!r}, run_name='__main__')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images, _ = sample().train
    np.save(tmp_path / "digits.npy", images[:20].numpy())
    pixels = frame(images[:20], None)
    pixels.to_csv(tmp_path / "digits.csv", index=False)
    (pixels / 255).to_csv(tmp_path / "fractions.csv", index=False)
    shutil.copy(PROJECT / "docs" / "photo.jpg", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("name", "unneeded"), [
    ("photo.jpg", HEAVY),
    ("digits.csv", HEAVY + PICTURES),
    ("fractions.csv", HEAVY + PICTURES),
    ("digits.npy", HEAVY + PICTURES),
])  # fmt: skip
def test_program(folder: Path, name: str, unneeded: tuple[str, ...]) -> None:
    imported = imported_by(predict(f"input={name}", "output=out.csv"), folder)
    assert "onnxruntime" in imported
    assert not imported & set(unneeded)


def test_python(folder: Path) -> None:
    program = "import digits; image = digits.read('photo.jpg').image; digits.load_classifier().predict(image[None])"
    imported = imported_by(program, folder)
    assert "onnxruntime" in imported
    assert not imported & set(HEAVY)


def test_import_of_the_package_is_light(folder: Path) -> None:
    assert not imported_by("import digits", folder) & {"numpy", "hydra", *HEAVY}

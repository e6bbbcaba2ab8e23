"""The programs start without the packages that train and read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PROJECT

HEAVY = {"torch", "torchvision", "lightning", "torchmetrics", "pandas", "matplotlib", "scipy", "onnxruntime", "numpy"}


def imported_packages(*command: str, folder: Path) -> set[str]:
    """The packages that a program imports, from its start to its end."""
    process = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=folder, capture_output=True, text=True, env=os.environ | {"COLUMNS": "120"}, check=True,
    )  # fmt: skip
    assert process.stdout
    packages = set()
    for line in process.stderr.splitlines():
        if line.startswith("import time:"):
            packages.add(line.rpartition("|")[2].strip().partition(".")[0])
    assert "digits" in packages
    return packages


@pytest.mark.parametrize("words", ["--help --config-dir .", "--cfg all", "--info plugins"])
@pytest.mark.parametrize("program", ["train", "predict"])
def test_program_imports_no_heavy_package(tmp_path: Path, program: str, words: str) -> None:
    script = str(PROJECT / f"{program}.py")
    assert imported_packages(script, *words.split(), folder=tmp_path) & HEAVY == set()


@pytest.mark.parametrize("words", ["", "--help", "train --help", "predict --help"])
def test_command_imports_no_heavy_package(tmp_path: Path, words: str) -> None:
    assert imported_packages("-m", "digits", *words.split(), folder=tmp_path) & HEAVY == set()


def test_help_needs_no_composition(tmp_path: Path) -> None:
    """Hydra's plugins, such as launchers, are imported for a composition."""
    for program in ("train.py", "predict.py"):
        assert "hydra_plugins" not in imported_packages(str(PROJECT / program), "--help", folder=tmp_path)

"""`--help` lists every choice of `conf/` and needs no torch."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import PROJECT, choices, run_program

from digits.cli.help import describe_groups, describe_settings

GROUPS = ("data", "model", "optimizer", "schedule", "augment", "trainer", "logger", "experiment", "experiment/study")


@pytest.fixture
def without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program with a torch that cannot be imported."""
    (tmp_path / "torch.py").write_text("raise ImportError('torch was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return lambda *arguments: run_program(*arguments, folder=tmp_path)


def test_every_choice_is_listed(without_torch: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    process = without_torch("train.py", "--help")
    assert process.returncode == 0, process.stderr
    for group in GROUPS:
        for choice in choices(group):
            assert f" {'study/' if 'study' in group else ''}{choice} " in process.stdout, f"{group}={choice}"
    assert "torch.optim.AdamW" in process.stdout
    assert max(map(len, process.stdout.splitlines())) <= 100
    assert " _" not in process.stdout


def test_prediction_lists_its_settings(without_torch: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    process = without_torch("predict.py", "--help")
    assert process.returncode == 0, process.stderr
    for setting in ("checkpoint", "input", "output", "confidence", "probabilities", "preview", "export", "tta", "seed"):
        assert f"\n{setting}=" in process.stdout
    assert max(map(len, process.stdout.splitlines())) <= 100


def test_configuration_is_printed_without_torch(
    without_torch: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    process = without_torch("train.py", "--cfg", "job", "optimizer=adadelta")
    assert process.returncode == 0, process.stderr
    assert "torch.optim.Adadelta" in process.stdout


def test_new_choices_and_settings_describe_themselves(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("defaults:\n  - optimizer: adam\n\nseed: 3  # of everything\n")
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "adam.yaml").write_text("# @package _global_\n# the usual one\nlr: 1\n")
    (tmp_path / "optimizer" / "lion.yaml").write_text("# a new one\n# with a second comment\nlr: 1\n")
    (tmp_path / "optimizer" / "_base.yaml").write_text("# shared\n")
    lines = [line.split(maxsplit=2) for line in describe_groups(tmp_path, "train").splitlines()]
    assert lines == [["optimizer", "adam", "the usual one"], ["lion", "a", "new one"]]
    assert describe_settings(tmp_path, "train").split() == ["seed=3", "of", "everything"]


def test_readme_names_every_group() -> None:
    readme = (PROJECT / "README.md").read_text()
    assert all(f"`{group}`" in readme for group in GROUPS[:-1])

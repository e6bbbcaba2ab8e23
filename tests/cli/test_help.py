"""`--help` lists every choice of `conf/` and needs no torch."""

from pathlib import Path

import pytest
from helpers import PROJECT, choices, run_program

from digits.cli.help import describe_groups, describe_settings

GROUPS = ("data", "model", "optimizer", "schedule", "augment", "trainer", "logger", "experiment", "experiment/study")
CHOICES = [f" {'study/' if 'study' in group else ''}{choice} " for group in GROUPS for choice in choices(group)]
SETTINGS = ("checkpoint", "input", "output", "confidence", "probabilities", "preview", "export", "tta", "seed")


@pytest.mark.parametrize(("command", "expected"), [
    ("train.py --help", [*CHOICES, "torch.optim.AdamW"]),
    ("predict.py --help", [f"\n{setting}=" for setting in SETTINGS]),
    ("train.py --cfg job optimizer=adadelta", ["torch.optim.Adadelta"]),
])  # fmt: skip
def test_help_and_configuration_are_printed_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, expected: list[str]
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('torch was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = run_program(*command.split(), folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert [text for text in expected if text not in process.stdout] == []
    assert max(map(len, process.stdout.splitlines())) <= 100
    assert " _" not in process.stdout or "--cfg" in command  # shared parts of a group are no choices


def test_new_choices_and_settings_describe_themselves(tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    for name, content in {
        "train": "defaults:\n  - optimizer: adam\n\nseed: 3  # of everything\n",
        "optimizer/adam": "# @package _global_\n# the usual one\nlr: 1\n",
        "optimizer/lion": "# a new one\n# with a second comment\nlr: 1\n",
        "optimizer/_base": "# shared\n",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    lines = [line.split(maxsplit=2) for line in describe_groups([tmp_path], "train").splitlines()]
    assert lines == [["optimizer", "adam", "the usual one"], ["lion", "a", "new one"]]
    assert describe_settings([tmp_path], "train").split() == ["seed=3", "of", "everything"]


def test_readme_names_every_group() -> None:
    readme = (PROJECT / "README.md").read_text()
    assert [group for group in GROUPS[:-1] if f"`{group}`" not in readme] == []

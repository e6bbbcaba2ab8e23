"""Words of the command line that Hydra would misread."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from digits.cli.arguments import prepare_arguments


@pytest.mark.parametrize(
    "name",
    [
        "Übung.csv",
        "数字.png",
        "photo(1).png",
        "it's.csv",
        'a "b".csv',
        "a=b.csv",
        "f (1), x=[2].PNG",
        "#;!&.csv",
    ],
)
def test_any_name_is_a_value(name: str) -> None:
    [word] = prepare_arguments([f"input={name}"])
    assert OverridesParser.create().parse_override(word).value() == name


@pytest.mark.parametrize(
    "word", ["input=b c.csv", "optimizer.lr=tag(log,interval(1e-4,1e-1))", "~logger", "+a=1,2", "input=[b,c"]
)
def test_other_words_stay(word: str) -> None:
    assert prepare_arguments([word]) == [word]


def test_options_come_first() -> None:
    words = ["seed=0,1", "-m", "optimizer=adam", "--cfg", "job"]
    assert prepare_arguments(words) == ["-m", "--cfg", "job", "seed=0,1", "optimizer=adam"]


def test_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert prepare_arguments(["input=~/x.csv"]) == [f"input={tmp_path}/x.csv"]

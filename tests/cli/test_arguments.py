"""Words of the command line that Hydra would misread."""

import re
import sys
from pathlib import Path

import hydra
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from digits.cli.arguments import check_options, prepare_arguments
from digits.cli.hydra_versions import VERSION_BASE
from digits.private_apis import without_help_check


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--foo", "unrecognized arguments: --foo; --help lists the settings"),
        ("--cfg nothing", "argument --cfg/-c: invalid choice"),
        ("-m --cfg job", "exclude each other"),
        ("--run --info", "exclude each other"),
        ("--resolve seed=1", "--resolve needs --cfg"),
    ],
)
def test_wrong_options_are_one_line(words: str, message: str) -> None:
    with pytest.raises(SystemExit) as end:
        check_options(words.split())
    assert message in str(end.value)
    assert "\n" not in str(end.value)


@pytest.mark.parametrize("words", ["", "-m seed=0,1", "--cfg job --resolve -p optimizer", "--help --resolve", "-i all"])
def test_other_options_are_left_to_hydra(words: str) -> None:
    check_options(words.split())


def test_options_of_hydra_are_known(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Hydra prints its options when it gets an unknown one."""
    main = hydra.main(**VERSION_BASE, config_path=None)(lambda config: None)
    monkeypatch.setattr(sys, "argv", ["program", "--unknown"])
    with without_help_check(), pytest.raises(SystemExit):
        main()
    usage, _, _ = capsys.readouterr().err.partition("unrecognized")
    options = re.findall(r"\[(--?[\w-]+)( [^\]]+)?\]", usage)
    assert len(options) > 10
    for option, value in options:
        subject = ["job"] if value and "job" in value else ["all"] if value else []
        check_options(["--help", option, *subject])
    [known] = re.findall(r"--info \[\{([\w,-]+)\}\]", " ".join(usage.split()))
    with pytest.raises(SystemExit) as refused:
        check_options(["--info", "unknown"])
    choices = str(refused.value).partition("choose from ")[2].partition(")")[0]
    assert choices.replace("'", "").split(", ") == known.split(",")

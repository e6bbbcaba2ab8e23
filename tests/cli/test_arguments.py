"""Words of the command line that Hydra would misread."""

import re
import sys
from pathlib import Path

import hydra
import pytest
from helpers import config
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from digits.cli.arguments import check_options, prepare_arguments
from digits.cli.hydra_versions import VERSION_BASE
from digits.cli.job import require_name
from digits.config import flatten
from digits.errors import InputError
from digits.private_apis.hydra import without_help_check
from digits.text_settings import TEXT_SETTINGS
from hydra_plugins.digits_sweepers import sweep_values


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
    "text", ["2026_11_30", "1_0", "10", "007", "1e3", "1.50", "-1", "0x10", "inf", "true", "False", "yes", "2026-11-30"]
)
def test_text_stays_as_typed(text: str) -> None:
    for key in ("name", "+study", "input", "data.root", "experiment", "hydra.run.dir", "logger.project"):
        [word] = prepare_arguments([f"{key}={text}"])
        assert OverridesParser.create().parse_override(word).value() == text


def test_every_setting_with_a_text_is_kept() -> None:
    """Those of the configurations of both programs."""
    texts = set()
    for program in ("train", "predict"):
        for words in ([], ["logger=wandb"], ["logger=mlflow"], ["logger=tensorboard"], ["data=csv"]):
            if program == "predict" and words:
                continue
            settings = flatten(config(*words, program=program))
            texts |= {key for key, value in settings.items() if isinstance(value, str) and "_target_" not in key}
    assert texts - TEXT_SETTINGS <= {"trainer.devices"}  # also a number, or a list


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("name=null", "null"), ("study=null", "null"), ("resume=null", None), ("experiment=null", None),
        ("teacher=runs/lr=0.1/last.ckpt", "runs/lr=0.1/last.ckpt"),
        ("teacher=[2026_11,lr=0.1/last.ckpt,null]", ["2026_11", "lr=0.1/last.ckpt", "null"]),
        ("input=[1e3,\"a,b\",c d]", ["1e3", "a,b", "c d"]), ("experiment=[2026_11,fast]", ["2026_11", "fast"]),
        ("hydra.run.dir=runs/lr=0.1", "runs/lr=0.1"), ("name=${now:%Y_%m}", "${now:%Y_%m}"),
        ("seed=1_0", 10), ("optimizer.lr=1e-3", 0.001), ("test=false", False), ("trainer.max_epochs=5", 5),
    ],
)  # fmt: skip
def test_only_text_is_quoted(word: str, value: object) -> None:
    [prepared] = prepare_arguments([word])
    parsed = OverridesParser.create().parse_override(prepared).value()
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize("values", ["2026_11,b,1e3", "choice(2026_11,b,1e3)"])
def test_texts_of_a_sweep_stay_as_typed(values: str) -> None:
    [word] = prepare_arguments([f"data.train_csv={values}"])
    override = OverridesParser.create().parse_override(word)
    texts = [f"data.train_csv={value.text}" for value in sweep_values(override)]
    assert [OverridesParser.create().parse_override(text).value() for text in texts] == ["2026_11", "b", "1e3"]


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


@pytest.mark.parametrize("text", ["name: 2026_11_30", "name: 10", "name: null", "name: ''", "name: ../."])
def test_name_in_a_file_must_be_text(text: str) -> None:
    with pytest.raises(InputError, match="name=.*: must be the name of a folder"):
        require_name(OmegaConf.create(text), "name")


@pytest.mark.parametrize("text", ["name: '2026_11_30'", "{name: '${seed}', seed: 3}"])
def test_other_names_in_a_file_are_accepted(text: str) -> None:
    require_name(OmegaConf.create(text), "name")

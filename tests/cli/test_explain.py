"""`explain=SETTING` names the file and line that Hydra takes a value from."""

import os
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT, compose_config, config, run_main, run_program
from omegaconf import OmegaConf

from digits.cli.explain import Composition
from digits.cli.messages import Command
from digits.config import flatten


def explained(words: str, *keys: str) -> dict[str, tuple[str, list[list[str]]]]:
    """For each key its value, as text, and its places with their texts."""
    composition = Composition(Command([PROJECT / "conf"], "train", words.split()))
    answers = {}
    for key in keys:
        headline, *lines = composition.describe(key)
        own = lines[: next((index for index, line in enumerate(lines) if line[0] != " "), len(lines))]
        answers[key] = headline, [[part.strip() for part in line.strip().split("  ", 1)] for line in own]
    return answers


def raw_value(place: str, text: str, key: str) -> Any:
    """The value that a place gives a key, before interpolations are resolved. The file must hold the text there."""
    if place == "command line":
        text = text.lstrip("+").replace("=", ": ").removeprefix(f"{key.rpartition('.')[0]}.")
    else:
        path, _, line = place.partition(":")
        assert (PROJECT / path).read_text().splitlines()[int(line) - 1].strip() == text
    values: Any = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    return values[key.rpartition(".")[2]]


@pytest.mark.parametrize("words", [
    "experiment=fast", "experiment=record optimizer.lr=0.5", "experiment=keras_adadelta +optimizer.foreach=true",
])  # fmt: skip
def test_last_place_of_every_setting_holds_its_value(words: str) -> None:
    raw = flatten(OmegaConf.to_container(compose_config(*words.split()), resolve=False))
    resolved = flatten(config(*words.split()))
    settings = raw.keys() - {"schedule", "logger", "augment"}  # config groups whose choice is null
    assert len(settings) > 30
    for key, (headline, places) in explained(words, *settings).items():
        assert raw_value(*places[-1], key) == raw[key], key
        if key not in ("name", "study"):  # the time
            value = OmegaConf.create(f"value: {headline.removeprefix(f'{key} = ').partition(', from ')[0]}")
            assert value == {"value": resolved[key]}


def test_places_are_in_the_order_of_precedence() -> None:
    answer = explained("experiment=record optimizer.lr=0.5", "optimizer.lr")["optimizer.lr"]
    assert [(place.partition(":")[0], text.split()[-1]) for place, text in answer[1]] == [
        ("conf/optimizer/adamw.yaml", "0.01"), ("conf/experiment/record.yaml", "0.003"),
        ("command line", "optimizer.lr=0.5"),
    ]  # fmt: skip


@pytest.mark.parametrize(("words", "group", "choice", "place"), [
    ("", "model", "small_cnn", "conf/train.yaml"),
    ("experiment=record", "model", "wide_cnn", "conf/experiment/record.yaml"),  # and not compact's, which it includes
    ("experiment=record", "augment", "light", "conf/experiment/compact.yaml"),
    ("experiment=record model=mlp", "model", "mlp", "command line"),
    ("experiment=[compact,bundled]", "experiment", '["compact", "bundled"]', "command line"),
])  # fmt: skip
def test_choice_of_a_group_is_traced(words: str, group: str, choice: str, place: str) -> None:
    headline, places = explained(words, group)[group]
    assert headline == f"{group} = {choice}"
    assert places[-1][0].partition(":")[0] == place


def test_setting_behind_an_interpolation_is_explained_too(tmp_path: Path) -> None:
    process = run_main("train.py", "explain=data.seed", "seed=7", folder=tmp_path)
    lines = process.stdout.splitlines()
    assert lines[0] == "data.seed = 7, from ${seed}"
    assert "seed = 7" in lines
    assert lines[-1].split() == ["command", "line", "seed=7"]


def test_explains_without_torch_and_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('torch was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    process = run_program("train.py", "explain=optimizer.lr", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "optimizer.lr = " in process.stdout
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(("words", "message"), [
    ("explain=lr", "optimizer.lr?"), ("explain=optimizr", "optimizer?"), ("explain=data.val_sise", "data.val_size?"),
    ("explain=augment.degrees augment=none", "augment?"),
    ("explain=seed -m", "omit -m"), ("explain=seed experiment=study/smoke", "sweep"),
])  # fmt: skip
def test_what_cannot_be_explained_is_one_line(tmp_path: Path, words: str, message: str) -> None:
    process = run_main("train.py", *words.split(), folder=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert message in process.stderr
    assert process.stderr.count("\n") == 1

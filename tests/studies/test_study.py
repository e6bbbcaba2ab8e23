"""Names, identity and changes of a study's jobs."""

import re
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import pytest
from helpers import PROJECT, config
from hydra.core.override_parser.overrides_parser import OverridesParser

from digits.errors import InputError
from digits.runs.folder import RunFolder
from digits.studies.study import Job, Study, changed_since_completed, job_name


@pytest.mark.parametrize(
    ("varied", "name"),
    [
        ({"optimizer": "adam", "trainer.max_epochs": "5"}, "optimizer-adam_max_epochs-5_seed-0"),
        ({}, "seed-0"),
        ({"augment.degrees": "1", "other.degrees": "2"}, "augment.degrees-1_other.degrees-2_seed-0"),
    ],
)
def test_job_is_named_after_the_settings_that_vary(varied: dict[str, str], name: str) -> None:
    assert job_name(varied, 0) == name


@pytest.mark.parametrize("value", ["[a,b]", "'it is'", "a/b", "../..", "x" * 300, "ü=1", "${name}", "$HOME;ls"])
def test_job_name_needs_no_quotes(value: str) -> None:
    name = job_name({"setting": value}, 0)
    assert re.fullmatch(r"[\w.+-]+", name)
    assert len(name) <= 160
    assert name != job_name({"setting": value + "'"}, 0)
    assert OverridesParser.create().parse_override(f"checkpoint=outputs/s/{name}").value() == f"outputs/s/{name}"


@pytest.mark.parametrize(
    ("fixed", "varies", "difference"),
    [
        ({"augment": "none", "name": "x"}, ["optimizer", "seed"], None),
        ({"augment": "affine"}, ["optimizer"], "augment=none"),
        ({"augment": "none", "optimizer": "sgd"}, [], r"optimizer=\(several values\)"),
        ({"augment": "none", "ema": "0.9"}, ["optimizer"], r"ema=\(not set\)"),
    ],
)
def test_only_the_same_study_is_accepted(
    tmp_path: Path, fixed: dict[str, str], varies: list[str], difference: str | None
) -> None:
    with Study("s", tmp_path, {"augment": "none", "seed": "0", "study": "s"}, ["optimizer"]).acquire():
        pass
    refused = pytest.raises(InputError, match=f"another study, with {difference};") if difference else nullcontext()
    with refused, Study("s", tmp_path, fixed, varies).acquire():
        pass


def test_folder_of_anything_else_is_refused(tmp_path: Path) -> None:
    study = Study("s", tmp_path / "s", {}, [])
    with study.acquire(), pytest.raises(InputError, match="another sweep is running"), study.acquire():
        pass
    for name, message in (("study.json", "study.json: damaged"), ("metrics.json", "single run")):
        (tmp_path / "s" / name).write_text("{")
        with pytest.raises(InputError, match=message), study.acquire():
            pass
    with pytest.raises(InputError, match="Not a directory"), Study("s", tmp_path / "s/study.json/x", {}, []).acquire():
        pass


@pytest.mark.parametrize("content", ["{", "3", "[]", '{"varies": 3, "fixed": {}}', '{"varies": [[]], "fixed": {}}'])
def test_damaged_identity_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(InputError, match=r"study\.json: damaged"), Study("s", tmp_path, {}, []).acquire():
        pass


def test_identity_that_python_cannot_parse_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "study.json").write_text('{"varies": [], "fixed": {}}')
    monkeypatch.setattr("json.loads", mock.Mock(side_effect=RecursionError))
    with pytest.raises(InputError, match=r"study\.json: damaged"), Study("s", tmp_path, {}, []).acquire():
        pass


def test_partial_files_of_a_killed_sweep_are_removed(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    for name in (".leaderboard.csv.0123abcd.part", "job/.metrics.json.0123abcd.part"):
        (tmp_path / name).touch()
    with Study("s", tmp_path, {}, []).acquire():
        assert not list(tmp_path.glob(".*.part"))
        assert list((tmp_path / "job").glob(".*.part"))  # its job may be running


def test_completed_job_of_an_older_version_has_the_same_settings() -> None:
    """The committed run has the module names of its time."""
    old = RunFolder(PROJECT / "docs" / "results" / "originals" / "adadelta_seed-0")
    assert old.metrics().config["data"]["_target_"] == "digits.datamodule.DigitsDataModule"
    (line,) = changed_since_completed([Job(old, (), config("experiment=adadelta", "seed=0"))])
    assert "the code has changed" in line

"""Names, identity and changes of a study's jobs."""

import re
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import pytest
from helpers import PROJECT, config
from hydra.core.override_parser.overrides_parser import OverridesParser
from studies.made_runs import write_run

from digits.errors import InputError
from digits.runs.folder import RunFolder
from digits.studies.study import Job, Study, changed_since_completed, job_name
from digits.studies.values import SweepValue


@pytest.mark.parametrize(
    ("varied", "name"),
    [
        ({"optimizer": "adam", "trainer.max_epochs": "5"}, "optimizer-adam_max_epochs-5_seed-0"),
        ({}, "seed-0"),
        ({"label_smoothing": "0.30000000000000004"}, "label_smoothing-0.3_seed-0"),
        ({"optimizer.lr": "1.0", "optimizer.eps": "1e-05"}, "lr-1_eps-1e-5_seed-0"),
        ({"data.train_csv": '"2026_11"'}, "train_csv-2026_11_seed-0"),
        ({"augment.degrees": "1", "other.degrees": "2"}, "augment.degrees-1_other.degrees-2_seed-0"),
    ],
)
def test_job_is_named_after_the_settings_that_vary(varied: dict[str, str], name: str) -> None:
    assert job_name(varied, 0) == name


@pytest.mark.parametrize(
    ("existing", "then", "now"),
    [
        ("label_smoothing-0.7000000000000001_seed-0", 0.7000000000000001, SweepValue("0.7", "0.7")),
        ("label_smoothing-0.7000000000000001_seed-0", 0.7000000000000001, SweepValue("0.7", "0.7000000000000001")),
        ("label_smoothing-1.0_seed-0", 1.0, SweepValue("1", "1")),
        ("label_smoothing-1e-05_seed-0", 1e-05, SweepValue("1e-05", "1e-05")),
    ],
)
def test_folder_of_an_earlier_version_is_found(tmp_path: Path, existing: str, then: float, now: SweepValue) -> None:
    write_run(tmp_path / existing, "", 1, config={"seed": 0, "label_smoothing": then})
    wanted = {"seed": 0, "label_smoothing": float(now.text)}
    job = Job(Study("s", tmp_path, {}, []).job_folder({"label_smoothing": now}, wanted), (), wanted)
    assert job.name == existing
    assert changed_since_completed({job: job.folder.metrics()}) == []


def test_folder_with_another_value_is_not_taken(tmp_path: Path) -> None:
    write_run(tmp_path / "train_csv-1e3_seed-0", "", 1, config={"seed": 0, "data": {"train_csv": "1e3"}})
    wanted = {"seed": 0, "data": {"train_csv": "1000"}}
    text = SweepValue('"1000"', '"1000"')
    folder = Study("s", tmp_path, {}, []).job_folder({"data.train_csv": text}, wanted)
    assert folder.path.name == "train_csv-1000_seed-0"


def test_equal_settings_are_the_same_study(tmp_path: Path) -> None:
    with Study("s", tmp_path, {"ema": "1.0", "augment": "'none'"}, ["optimizer.lr=interval(1e-4, 1.0)"]).acquire():
        pass
    with Study("s", tmp_path, {"ema": "1", "augment": "none"}, ["optimizer.lr=interval(0.0001,1)"]).acquire():
        pass


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
    metrics = old.metrics()
    assert metrics.config["data"]["_target_"] == "digits.datamodule.DigitsDataModule"
    (line,) = changed_since_completed({Job(old, (), config("experiment=adadelta", "seed=0")): metrics})
    assert "the code has changed" in line

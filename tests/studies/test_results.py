"""Runs are grouped into configurations by their settings."""

import dataclasses
import json
import shutil
from pathlib import Path

from helpers import PROJECT
from studies.made_runs import leaderboard, write_run

from digits.config import RENAMED_TARGETS
from digits.runs.metrics_file import read_metrics, write_metrics


def test_settings_without_override_that_differ_are_columns(tmp_path: Path) -> None:
    for index, rate in enumerate((0.1, 0.2)):
        config = {"optimizer": {"lr": rate}, "data": {"root": str(index)}}
        write_run(tmp_path / str(index), "model=m", 5, config=config)
    assert leaderboard(tmp_path).keys == ("optimizer.lr",)


def test_equal_values_with_different_text_are_one_configuration(tmp_path: Path) -> None:
    for index, text in enumerate(("1e-3", "0.001", "0.01")):
        write_run(tmp_path / text, f"optimizer.lr={text} seed={index}", 5, config={"optimizer": {"lr": float(text)}})
    rows = leaderboard(tmp_path).rows
    assert sorted((row.values[0], len(row.completed)) for row in rows) == [("0.001", 2), ("0.01", 1)]


def test_default_choice_is_compared_with_an_override(tmp_path: Path) -> None:
    write_run(tmp_path / "one" / "run", "seed=0", 5, choices={"optimizer": "adamw"})
    write_run(tmp_path / "two" / "run", "seed=0 optimizer=adam", 6, choices={"optimizer": "adam"})
    assert [row.values for row in leaderboard(tmp_path / "one", tmp_path / "two").rows] == [("adamw",), ("adam",)]


def test_data_file_that_varies_is_a_column(tmp_path: Path) -> None:
    for name in ("small", "large"):
        write_run(tmp_path / name, f"data.train_csv={name}.csv name={name}", 5)
    write_run(tmp_path / "other", "data=mnist data.root=there", 5)
    assert leaderboard(tmp_path).keys == ("data.train_csv", "data")


def test_run_in_two_folders_counts_once(study: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "second" / "a_0", "optimizer=a seed=0 model=m", 30)
    joined = leaderboard(study, study / "a_0", tmp_path / "second")
    assert joined.csv() == leaderboard(study).csv()
    assert joined.omitted == [f"{tmp_path / 'second' / 'a_0'} has the settings and the seed of {study / 'a_0'}"]


def test_study_does_not_contain_the_studies_below_it(study: Path) -> None:
    (study / "study.json").write_text("{}")
    write_run(study / "inner" / "a_3", "optimizer=a seed=3 model=m", 90)
    assert len(leaderboard(study).results) == 8
    assert len(leaderboard(study.parent).results) == 9


def test_older_and_newer_runs_of_the_same_settings_are_one_row(tmp_path: Path) -> None:
    """The committed run has the module names of its time."""
    run = "optimizer-adam_augment-affine_seed-0"
    shutil.copytree(PROJECT / "docs" / "results" / "optimizers" / run, tmp_path / "old")
    old = read_metrics(tmp_path / "old" / "metrics.json")
    config = json.dumps({**old.config, "seed": 3})
    for before, now in RENAMED_TARGETS.items():
        config = config.replace(f'"{before}"', f'"{now}"')
    assert '"digits.data.datamodule.DigitsDataModule"' in config
    (tmp_path / "new").mkdir()
    write_metrics(dataclasses.replace(old, seed=3, config=json.loads(config)), tmp_path / "new" / "metrics.json")
    assert leaderboard(tmp_path).keys == ()
    assert [row.seeds for row in leaderboard(tmp_path).rows] == [["0", "3"]]

"""The leaderboard: its rows and columns, as CSV and as Markdown."""

import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path

import pytest
from helpers import PROJECT
from studies.made_runs import leaderboard, write_run

from digits.compat import RENAMED_TARGETS
from digits.runs.metrics_file import read_metrics, write_metrics


def test_row_has_statistics_over_its_runs(study: Path) -> None:
    rows = list(csv.DictReader(leaderboard(study).csv().splitlines()))
    assert [row["optimizer"] for row in rows] == ["c", "a", "b"]  # by validation error; the test error ranks b first
    c, a, _ = rows
    assert float(a["val_error_mean"]) == pytest.approx(0.012)
    assert float(a["val_error_sd"]) == pytest.approx(0.002)
    margin = 4.302653 * 0.002 / math.sqrt(3)  # Student's t with 2 degrees of freedom
    assert (float(a["val_low"]), float(a["val_high"])) == pytest.approx((0.012 - margin, 0.012 + margin))
    assert float(a["test_error_mean"]) == pytest.approx(0.488)
    assert (a["seeds"], a["done"], a["failed"], a["reason"]) == ("0 1 2", "3", "0", "")
    assert (float(a["fit_seconds"]), float(a["images_per_second"])) == (11.0, 100.0)
    assert (c["val_error_sd"], float(c["val_low"]), float(c["val_high"])) == ("", 0.001, 0.5)  # of the single run
    assert (c["done"], c["failed"], c["reason"]) == ("1", "1", "broken")


def test_rows_with_pruned_jobs_have_no_result_and_are_below_all_completed_ones(tmp_path: Path) -> None:
    for name, runs in {"a": [30, 30], "b": [1, 20], "c": [None, None], "d": [2, 2]}.items():
        for seed, errors in enumerate(runs):
            pruned = {"status": "pruned", "reason": "early"} if name == "d" or errors == 20 else {}
            write_run(tmp_path / f"{name}{seed}", f"optimizer={name} seed={seed}", errors, **pruned)
    board = leaderboard(tmp_path)
    rows = list(csv.DictReader(board.csv().splitlines()))
    counts = [(row["optimizer"], row["done"], row["pruned"], row["failed"], row["reason"]) for row in rows]
    assert counts[0] == ("a", "2", "0", "0", "")
    assert set(counts[1:3]) == {("b", "1", "1", "0", "early"), ("d", "0", "2", "0", "early")}
    assert counts[3] == ("c", "0", "0", "2", "broken")
    assert [row["val_error_mean"] for row in rows] == ["0.03", "", "", ""]
    assert "1 done, 1 pruned" in board.markdown()
    assert "not finished" not in board.markdown()


def test_all_folds_of_a_split_have_the_interval_of_their_summed_mistakes(tmp_path: Path) -> None:
    for fold, errors in enumerate((10, 12, 14)):
        write_run(tmp_path / str(fold), f"data.folds=3 data.fold={fold} seed=0", errors)
    (row,) = leaderboard(tmp_path).rows
    p, n, z = 36 / 3000, 3000, 1.959964  # Wilson's interval
    center, margin = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert row.val_interval == pytest.approx([(center + sign * margin) / (1 + z**2 / n) for sign in (-1, 1)])


def test_folds_of_several_seeds_have_students_interval(tmp_path: Path) -> None:
    """Each digit is predicted twice."""
    for seed in range(2):
        for fold, errors in enumerate((10, 14)):
            write_run(tmp_path / f"{seed}{fold}", f"data.folds=2 data.fold={fold} seed={seed}", errors)
    (row,) = leaderboard(tmp_path).rows
    margin = 3.182446 * math.sqrt(16 / 3) / 1000 / 2  # 3 degrees of freedom
    assert row.val_interval == pytest.approx((0.012 - margin, 0.012 + margin))


def test_markdown_has_shared_settings_once_and_varying_ones_in_columns(study: Path) -> None:
    text = leaderboard(study).markdown()
    assert "All with model=m, abacus, exact, 1,000 validation digits, 1,000 test digits." in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in table[0].split("|")[1:4]] == ["optimizer", "val error", "95 % interval"]
    assert len({len(line) for line in table}) == 1
    assert "1.20 ± 0.20 %" in table[3]
    assert "1 done, 1 failed" in table[2]
    assert "broken" in table[2]
    assert "seed=" not in text
    assert "study" not in text


def test_every_other_quantity_of_val_and_test_is_a_column(tmp_path: Path) -> None:
    """As a metric that is added to `digits.evaluation.metrics.MEANS`."""
    score = {"errors": 5, "total": 10, "error": 0.5, "low": 0.1, "high": 0.9, "loss": 0.1, "note": "not a number"}
    for seed, brier in enumerate((0.25, 0.75)):
        scores = {"val": {**score, "brier": brier}, "test": {**score, "brier": 2 * brier}}
        write_run(tmp_path / f"a{seed}", f"optimizer=a seed={seed}", 5, **scores)
    write_run(tmp_path / "b", "optimizer=b", 5)
    b, a = csv.DictReader(leaderboard(tmp_path).csv().splitlines())
    assert [key for key in a if key.endswith("_mean") and "error" not in key] == ["val_brier_mean", "test_brier_mean"]
    assert (a["val_brier_mean"], a["test_brier_mean"], b["val_brier_mean"]) == ("0.5", "1.0", "")
    head, _, *rows = ([cell.strip() for cell in line.split("|")] for line in leaderboard(tmp_path).table().splitlines())
    assert [row[head.index("brier")] for row in rows] == ["–", "0.5"]


def test_nothing_is_ranked_without_validation_digits(tmp_path: Path) -> None:
    for name, errors in (("b", 1), ("a", 9)):
        write_run(tmp_path / name, f"optimizer={name}", errors, val=None)
    assert [row.values for row in leaderboard(tmp_path).rows] == [("a",), ("b",)]
    assert "nothing is ranked" in leaderboard(tmp_path).markdown()


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


def test_control_characters_are_escaped(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "ema=\x1b[2J", None, config={"a\x07": "b\udcff"}, reason="one\ntwo\x07")
    write_run(tmp_path / "b", "ema=1", None, config={"a\x07": "c"})
    board = leaderboard(tmp_path)
    assert all(line.isprintable() for text in (board.markdown(), board.csv()) for line in text.split("\n"))
    assert "one two\\x07" in board.markdown()

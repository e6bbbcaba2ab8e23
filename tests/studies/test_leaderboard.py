"""The leaderboard as CSV and Markdown."""

import csv
import math
from pathlib import Path

import pytest
from studies.made_runs import leaderboard, write_run


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

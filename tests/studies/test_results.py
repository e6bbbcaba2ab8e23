"""Results of runs, read from their folders."""

from pathlib import Path

import pytest
from studies.made_runs import leaderboard, write_run

from digits.runs.folder import RunFolder
from digits.studies.results import read_result, read_results


def test_known_results_are_not_read_again(study: Path) -> None:
    known = read_result(RunFolder(study / "a_1"))
    (study / "a_1" / "metrics.json").write_text("{")
    results, unreadable = read_results([study], {known.folder: known})
    assert unreadable == []
    assert results[1] is known
    assert [result.folder.name for result in results] == ["a_0", "a_1", "a_2", "b_0", "b_1", "b_2", "c_0", "c_1"]


def test_folder_without_a_result_has_none(tmp_path: Path) -> None:
    assert read_result(RunFolder(tmp_path)) is None


def test_text_and_infinite_values_are_no_numbers(tmp_path: Path) -> None:
    score = {"errors": 5, "total": 10, "error": 0.5, "low": float("-inf"), "high": 1e301, "note": "text"}
    write_run(tmp_path / "a", "seed=0", 5, val=score, images_per_second=None)
    numbers = read_result(RunFolder(tmp_path / "a")).numbers
    assert {name for name in numbers if "val" in name} == {"val_errors", "val_total", "val_error"}
    assert "images_per_second" not in numbers
    [row] = leaderboard(tmp_path).rows
    assert row.val_interval is None


@pytest.mark.parametrize("text", ["adam", "'adam'", '"adam"'])
def test_overrides_of_older_runs_may_have_quotes(tmp_path: Path, text: str) -> None:
    write_run(tmp_path / "a", f"+optimizer={text}", 5)
    assert read_result(RunFolder(tmp_path / "a")).setting("optimizer") == "adam"

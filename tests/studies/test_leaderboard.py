"""The arithmetic of tables and comparisons, on results made by hand."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from digits.errors import InputError
from digits.studies.comparison import compare, seeds_needed
from digits.studies.leaderboard import Leaderboard, read_results
from digits.studies.report import main


def leave(folder: Path, overrides: list[str], errors: int | None, **more: Any) -> None:
    """A finished run with so many mistakes among 1,000 validation digits, or a failed one."""
    folder.mkdir(parents=True)
    seed = next((int(word.partition("=")[2]) for word in overrides if word.startswith("seed=")), 0)
    metrics = {"status": "failed", "seed": seed, "overrides": overrides, "config": {"seed": seed}, "reason": "broken"}
    if errors is not None:
        score = {"errors": errors, "total": 1000, "error": errors / 1000, "low": 0.001, "high": 0.5, "loss": 0.1}
        metrics |= {"status": "completed", "val": score, "test": {**score, "error": 0.5 - errors / 1000}}
        metrics |= {
            "device": "abacus",
            "precision": "exact",
            "seconds": {"fit": 10.0 + seed},
            "images_per_second": 100.0,
        }
        pd.DataFrame({"epoch": [1, 2], "val/error": [0.5, errors / 1000]}).to_csv(folder / "history.csv", index=False)
    (folder / "metrics.json").write_text(json.dumps({**metrics, **more}))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A beats b by 1, 2 and 3 mistakes; c failed once."""
    for seed, (a, b) in enumerate(((10, 11), (12, 14), (14, 17))):
        leave(tmp_path / "first" / f"a_{seed}", ["optimizer=a", f"seed={seed}", "model=m", "study=first"], a)
        leave(tmp_path / "first" / f"b_{seed}", ["optimizer=b", f"seed={seed}", "model=m", "study=first"], b)
    leave(tmp_path / "first" / "c_0", ["optimizer=c", "seed=0", "model=m", "study=first"], 1)
    leave(tmp_path / "first" / "c_1", ["optimizer=c", "seed=1", "model=m", "study=first"], None)
    return tmp_path / "first"


def board(*folders: Path) -> Leaderboard:
    return Leaderboard("title", *read_results(folders))


def test_rows(study: Path) -> None:
    rows = list(csv.DictReader(board(study).csv().splitlines()))
    assert [row["optimizer"] for row in rows] == ["c", "a", "b"]  # by validation; by the test error it would be b first
    c, a, _ = rows
    assert float(a["val_error_mean"]) == pytest.approx(0.012)
    assert float(a["val_error_sd"]) == pytest.approx(0.002)
    half = 4.302653 * 0.002 / math.sqrt(3)  # Student's t with 2 degrees of freedom
    assert (float(a["val_low"]), float(a["val_high"])) == pytest.approx((0.012 - half, 0.012 + half))
    assert float(a["test_error_mean"]) == pytest.approx(0.488)
    assert (a["seeds"], a["done"], a["failed"], a["reason"]) == ("0 1 2", "3", "0", "")
    assert (float(a["fit_seconds"]), float(a["images_per_second"])) == (11.0, 100.0)
    assert (c["val_error_sd"], float(c["val_low"]), float(c["val_high"])) == ("", 0.001, 0.5)  # a single run's own
    assert (c["done"], c["failed"], c["reason"]) == ("1", "1", "broken")


def test_markdown_says_what_is_constant_once_and_what_varies_in_columns(study: Path) -> None:
    text = board(study).markdown()
    assert "All with model=m, abacus, exact, 1,000 validation digits, 1,000 test digits." in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in table[0].split("|")[1:4]] == ["optimizer", "val error", "95 % interval"]
    assert len({len(line) for line in table}) == 1
    assert "1.20 ± 0.20 %" in table[3]
    assert "1 done, 1 failed" in table[2]
    assert "broken" in table[2]
    assert "seed=" not in text
    assert "study" not in text


def test_settings_that_nobody_asked_for_but_differ_are_columns(tmp_path: Path) -> None:
    for index, rate in enumerate((0.1, 0.2)):
        leave(tmp_path / str(index), ["model=m"], 5, config={"optimizer": {"lr": rate}, "data": {"root": str(index)}})
    assert board(tmp_path).columns == ("optimizer.lr",)


def test_equal_values_written_differently_are_one_row(tmp_path: Path) -> None:
    for index, text in enumerate(("1e-3", "0.001", "0.01")):
        config = {"optimizer": {"lr": float(text)}}
        leave(tmp_path / text, [f"optimizer.lr={text}", f"seed={index}"], 5, config=config)
    assert sorted((row.values[0], len(row.results)) for row in board(tmp_path).rows) == [("0.001", 2), ("0.01", 1)]


def test_choice_that_was_not_asked_for_is_known(tmp_path: Path) -> None:
    leave(tmp_path / "one" / "run", ["seed=0"], 5, choices={"optimizer": "adamw"})
    leave(tmp_path / "two" / "run", ["seed=0", "optimizer=adam"], 6, choices={"optimizer": "adam"})
    joined = board(tmp_path / "one", tmp_path / "two")
    assert [row.values for row in joined.rows] == [("adamw",), ("adam",)]


def test_without_validation_digits_nothing_is_ranked(tmp_path: Path) -> None:
    for name, errors in (("b", 1), ("a", 9)):
        leave(tmp_path / name, [f"optimizer={name}"], errors, val=None)
    for path in tmp_path.glob("*/metrics.json"):
        metrics = json.loads(path.read_text())
        del metrics["val"]
        path.write_text(json.dumps(metrics))
    assert [row.values for row in board(tmp_path).rows] == [("a",), ("b",)]
    assert "nothing is ranked" in board(tmp_path).markdown()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"status": "completed"}',
        '{"status": "completed", "val": {}}',
        '{"status": "failed", "overrides": null}',
    ],
)
def test_damaged_metrics_are_named_and_left_out(study: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = study / "a_1" / "metrics.json"
    damaged.write_text(content)
    main([str(study)])
    out, err = capsys.readouterr()
    assert err == f"left out: {damaged}: damaged, or not the metrics of a run\n"
    assert f"Left out: {damaged}: damaged" in out
    assert [row["done"] for row in csv.DictReader((study / "leaderboard.csv").open())] == ["1", "2", "3"]


def test_report_is_rebuilt_byte_for_byte(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(study)])
    files = {path.name: path.read_bytes() for path in study.iterdir() if path.is_file()}
    assert set(files) == {"leaderboard.csv", "leaderboard.md", "leaderboard.png", "curves.png"}
    assert capsys.readouterr().out.encode() == files["leaderboard.md"]
    (tmp_path / "elsewhere").mkdir()
    main([str(study), "--save", str(tmp_path / "elsewhere")])
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()}


def test_report_joins_studies_and_prints_columns_beside(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path / "second" / "d_0", ["optimizer=d", "seed=0", "model=m"], 3)
    (tmp_path / "printed.csv").write_text("optimizer,printed\nd,0.3 %\nz,9 %\n")
    main([str(study), str(tmp_path / "second"), "--beside", str(tmp_path / "printed.csv")])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("# ", "|"))]
    assert lines[0] == "# first + second"
    assert "| printed |" in lines[1]
    assert ["0.3 %" in line for line in lines[3:]] == [False, True, False, False]
    assert not (tmp_path / "second" / "leaderboard.md").exists()


def test_comparison_is_paired(study: Path) -> None:
    *sides, verdict = compare(board(study), "optimizer=b", "optimizer=a").splitlines()
    assert sides == ["optimizer=b  1.40 ± 0.30 %", "optimizer=a  1.20 ± 0.20 %"]
    # Differences 1, 2, 3 in 1,000: t = 2 / (1 / √3) = 3.46, p = 0.074. Unpaired it would be p = 0.39.
    assert "optimizer=a is ahead of optimizer=b by 0.20 points (95 % interval -0.05 to 0.45; 3 seeds" in verdict
    assert "p = 0.074" in verdict
    assert "about 2 more seeds" in verdict


def test_comparison_finds_what_is_there(tmp_path: Path) -> None:
    for seed in range(4):
        leave(tmp_path / f"a{seed}", ["optimizer=a", f"seed={seed}"], 10 + seed)
        leave(tmp_path / f"b{seed}", ["optimizer=b", f"seed={seed}"], 20 + 2 * seed)
        leave(tmp_path / f"c{seed}", ["optimizer=c", f"seed={seed}"], 11 + seed)
        leave(tmp_path / f"d{seed}", ["optimizer=d", f"seed={seed}"], 13 - seed)
    assert "optimizer=a beats optimizer=b by 1.15 points" in compare(board(tmp_path), "optimizer=a", "optimizer=b")
    assert "by 0.10 points, the same with each of 4 seeds" in compare(board(tmp_path), "optimizer=a", "optimizer=c")
    assert "No difference in the mean of 4 seeds" in compare(board(tmp_path), "optimizer=a", "optimizer=d")


def test_differences_of_one_seed_are_one_observation(tmp_path: Path) -> None:
    for seed in range(2):
        for batch in range(4):
            more = [f"seed={seed}", f"data.batch_size={batch}"]
            leave(tmp_path / f"a{seed}{batch}", ["optimizer=a", *more], 10)
            leave(tmp_path / f"b{seed}{batch}", ["optimizer=b", *more], 12 + seed)
    verdict = compare(board(tmp_path), "optimizer=a", "optimizer=b").splitlines()[-1]
    # Differences 2 and 3 in 1,000: t = 2.5 / (√½ / √2) = 5 with one degree of freedom.
    assert "2 seeds, t-test p = 0.13" in verdict


def test_run_that_stands_twice_counts_once(study: Path, tmp_path: Path) -> None:
    leave(tmp_path / "second" / "a_0", ["optimizer=a", "seed=0", "model=m"], 30)
    joined = board(study, study / "a_0", tmp_path / "second")
    assert joined.csv() == board(study).csv()
    assert joined.faults == [f"{tmp_path / 'second' / 'a_0'} has the settings and the seed of {study / 'a_0'}"]


def test_study_inside_a_study_is_another_one(study: Path) -> None:
    (study / "study.json").write_text("{}")
    leave(study / "inner" / "a_3", ["optimizer=a", "seed=3", "model=m"], 90)
    assert sum(len(row.results) for row in board(study).rows) == 8
    assert sum(len(row.results) for row in board(study.parent).rows) == 9


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("foo,paper\n1,2\n", "row 1: names no column of the table; those are optimizer"),
        ("optimizer,paper\na\n", "row 2: 1 values under 2 names"),
        ("", "not a CSV file that can be read"),
    ],
)
def test_columns_beside_that_do_not_fit(
    study: Path, content: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (study.parent / "b.csv").write_text(content)
    with pytest.raises(SystemExit, match=line):
        main([str(study), "--beside", str(study.parent / "b.csv")])
    assert capsys.readouterr().out == ""


def test_damaged_history_does_not_stop_the_table(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "a_0" / "history.csv").write_bytes(b"")
    (study / "b_0" / "history.csv").write_bytes(b"\xff\xfe\x00")
    main([str(study)])
    assert "| a " in capsys.readouterr().out


def test_values_are_asked_for_as_they_are_written(tmp_path: Path) -> None:
    for seed in range(2):
        for ema in (None, 0.999):
            config = {"ema": ema, "seed": seed}
            leave(tmp_path / f"{ema}{seed}", [f"ema={ema}", f"seed={seed}"], 10 + seed, config=config)
    assert "No difference" in compare(board(tmp_path), "ema=null", "ema=9.99e-1")


def test_data_that_varies_is_a_column(tmp_path: Path) -> None:
    for name in ("small", "large"):
        leave(tmp_path / name, [f"data.train_csv={name}.csv", f"name={name}"], 5)
    leave(tmp_path / "other", ["data=mnist", "data.root=there"], 5)
    assert board(tmp_path).columns == ("data.train_csv", "data")


@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 10), (0.5, 34), (2.0, 5), (0.001, 1001)])
def test_seeds_needed_are_those_of_the_power_tables(effect: float, seeds: int) -> None:
    assert seeds_needed(effect) == seeds


@pytest.mark.parametrize(
    ("one", "line"),
    {
        "optimizer=x": "no run has that; there are optimizer: a, b, c",
        "optmizer=a": "optmizer is no column of the table; what varies is optimizer",
        "optimizer=c": "the finished runs that agree in seed have 1 seeds; at least 2 are needed",
    }.items(),
)
def test_comparison_that_cannot_be(study: Path, one: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        compare(board(study), one, "optimizer=a")


@pytest.mark.parametrize(("arguments", "line"), [(["nowhere"], "nowhere: no such folder"), (["."], "no run has left")])
def test_report_on_nothing_is_one_line(
    arguments: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=line):
        main(arguments)

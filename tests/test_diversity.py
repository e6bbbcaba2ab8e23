"""tools/diversity.py: common mistakes of networks and their ensembles, against an example computed by hand."""

import json
from pathlib import Path

import pytest

from digits.errors import InputError
from digits.runs.digit_tables import OUT_OF_FOLD
from tools.diversity import common_share, diversity_table, measure
from tools.records import FOLDER

RUN = Path(__file__).parents[1] / FOLDER / "folds" / "light-0" / "metrics.json"


def write_fold(folder: Path, seed: int, first_index: int, wrong: list[float]) -> None:
    """A run of digits 0 with these probabilities of class 1; the rest is the probability of class 0."""
    folder.mkdir(parents=True)
    metrics = json.loads(RUN.read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "seed": seed}))
    rows = [",".join(OUT_OF_FOLD)]
    for index, p1 in enumerate(wrong, first_index):
        probabilities = [1 - p1, p1] + [0.0] * 8
        rows.append(",".join(map(str, [index, 0, *probabilities])))
    (folder / "out_of_fold.csv").write_text("\n".join(rows) + "\n")


def example(folder: Path) -> dict[str, list[Path]]:
    """Two families of two networks and six digits in two folds. Network a0 misclassifies digits 0 and 1, a1 digits 0
    and 2, b0 digits 0 and 3, b1 digit 4."""
    probabilities = {
        ("a", 0): [0.9, 0.6, 0.1, 0.1, 0.1, 0.1],
        ("a", 1): [0.9, 0.1, 0.6, 0.1, 0.1, 0.1],
        ("b", 0): [0.6, 0.1, 0.1, 0.95, 0.1, 0.1],
        ("b", 1): [0.2, 0.1, 0.1, 0.1, 0.7, 0.1],
    }
    for (name, seed), wrong in probabilities.items():
        write_fold(folder / name / f"{seed}-first", seed, 0, wrong[:3])
        write_fold(folder / name / f"{seed}-second", seed, 3, wrong[3:])
    return {"a": [folder / "a"], "b": [folder / "b"]}


def test_families_are_measured_as_by_hand(tmp_path: Path) -> None:
    measured = measure(example(tmp_path))
    assert measured["digits"] == 6
    assert measured["families"] == [{"name": "a", "mistakes": [2, 2]}, {"name": "b", "mistakes": [2, 1]}]
    shares = {tuple(pair["families"]): pair["share"] for pair in measured["common"]}
    # Pairs of a and b: a0 b0 and a1 b0 have digit 0 in common, 2 · 1 of 4 mistakes. Those with b1 have none.
    assert shares == {("a", "a"): 0.5, ("b", "b"): 0.0, ("a", "b"): 0.25}
    ensembles = [(ensemble["counts"], ensemble["mistakes"]) for ensemble in measured["ensembles"]]
    assert ensembles == [
        ({"a": 2}, 1),  # digit 0
        ({"b": 2}, 1),  # digit 3: a mean of 0.525
        ({"a": 1, "b": 1}, 1.5),  # a0 b0 and a1 b0: digits 0 and 3; a0 b1 and a1 b1: digit 0
        ({"a": 1, "b": 2}, 1),  # digit 0: a mean of 0.567
        ({"a": 2, "b": 1}, 1),  # digit 0
        ({"a": 2, "b": 2}, 1),
    ]


def test_only_digits_that_all_networks_predicted_are_counted(tmp_path: Path) -> None:
    folders = example(tmp_path)
    folders["b"] = [tmp_path / "b" / "0-first", tmp_path / "b" / "1-first"]
    measured = measure(folders)
    assert measured["digits"] == 3
    assert measured["families"] == [{"name": "a", "mistakes": [2, 2]}, {"name": "b", "mistakes": [1, 0]}]


def test_table_has_a_row_for_each_family_and_each_pair(tmp_path: Path) -> None:
    rows = diversity_table(measure(example(tmp_path)))
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells[0][4:] == ["ensembles of 2", "ensembles of 3", "ensembles of 4"]
    assert cells[2:] == [
        ["a", "2", "2.0", "50%", "1.0", "", ""],
        ["b", "2", "1.5", "0%", "1.0", "", ""],
        ["a and b", "4", "1.8", "25%", "1.5", "1.0", "1.0"],
    ]


def test_share_of_common_mistakes() -> None:
    assert common_share({1, 2, 3}, {3, 4}) == pytest.approx(2 / 5)
    assert common_share(set(), set()) == 0


def test_folder_without_runs_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no runs"):
        measure({"a": [tmp_path], "b": [tmp_path]})


def test_run_without_probabilities_is_one_line(tmp_path: Path) -> None:
    folders = example(tmp_path)
    (tmp_path / "a" / "0-first" / "out_of_fold.csv").unlink()
    with pytest.raises(InputError, match=r"out_of_fold\.csv: damaged"):
        measure(folders)


def test_two_recipes_in_one_family_are_one_line(tmp_path: Path) -> None:
    folders = example(tmp_path)
    with pytest.raises(InputError, match="two runs with seed 0 predicted the same digits"):
        measure({"both": [*folders["a"], *folders["b"]]})

"""Paired comparisons, against values computed by hand."""

from pathlib import Path

import pytest
from studies.made_runs import leaderboard, write_run

from digits.errors import InputError
from digits.studies.comparison import compare, seeds_needed


def test_runs_are_paired_by_seed(study: Path) -> None:
    *sides, sentence = compare(leaderboard(study), "optimizer=b", "optimizer=a").splitlines()
    assert sides == ["optimizer=b  1.40 ± 0.30 %", "optimizer=a  1.20 ± 0.20 %"]
    # Differences 1, 2, 3 in 1,000: t = 2 / (1 / √3) = 3.46, p = 0.074. Unpaired it would be p = 0.39.
    assert "optimizer=a is ahead of optimizer=b by 0.20 points (95 % interval -0.05 to 0.45; 3 seeds" in sentence
    assert "p = 0.074" in sentence
    assert "2 more seeds" in sentence


@pytest.mark.parametrize(
    ("b", "sentence"),
    [
        ([20, 22, 24, 26], "optimizer=a beats optimizer=b by 1.15 points"),
        ([11, 12, 13, 14], "by 0.10 points with each of 4 seeds"),
        ([13, 12, 11, 10], "No difference in the mean of 4 seeds"),
    ],
)
def test_difference_is_described(tmp_path: Path, b: list[int], sentence: str) -> None:
    for name, results in (("a", [10, 11, 12, 13]), ("b", b)):
        for seed, errors in enumerate(results):
            write_run(tmp_path / f"{name}{seed}", f"optimizer={name} seed={seed}", errors)
    assert sentence in compare(leaderboard(tmp_path), "optimizer=a", "optimizer=b")


def test_differences_of_one_seed_are_one_observation(tmp_path: Path) -> None:
    for seed in range(2):
        for batch in range(4):
            write_run(tmp_path / f"a{seed}{batch}", f"optimizer=a seed={seed} data.batch_size={batch}", 10)
            write_run(tmp_path / f"b{seed}{batch}", f"optimizer=b seed={seed} data.batch_size={batch}", 12 + seed)
    # Differences 2 and 3 in 1,000: t = 2.5 / (√½ / √2) = 5 with one degree of freedom.
    assert "2 seeds, t-test p = 0.13" in compare(leaderboard(tmp_path), "optimizer=a", "optimizer=b")


def test_values_of_a_selector_may_have_different_text(tmp_path: Path) -> None:
    for seed in range(2):
        for ema in (None, 0.999):
            config = {"ema": ema, "seed": seed}
            write_run(tmp_path / f"{ema}{seed}", f"ema={ema} seed={seed}", 10 + seed, config=config)
    assert "No difference" in compare(leaderboard(tmp_path), "ema=null", "ema=9.99e-1")


@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 10), (0.5, 34), (2.0, 5), (0.001, 1001)])
def test_seeds_needed_are_those_of_power_tables(effect: float, seeds: int) -> None:
    assert seeds_needed(effect) == seeds


@pytest.mark.parametrize(
    ("selector", "line"),
    [
        ("optimizer=x", "optimizer: a, b, c"),
        ("optmizer=a", "optmizer .* the columns are optimizer"),
        ("optimizer=c", "equal seed share 1 seeds; at least 2"),
    ],
)
def test_invalid_selector_is_one_line(study: Path, selector: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        compare(leaderboard(study), selector, "optimizer=a")

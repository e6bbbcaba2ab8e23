"""Paired comparisons, against values computed by hand."""

from pathlib import Path

import pytest
from studies.made_runs import leaderboard, write_mistakes, write_run

from digits.errors import InputError
from digits.studies.comparison import compare, seeds_needed
from digits.studies.mcnemar import mcnemar_p_value


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


def test_seeds_that_were_not_pruned_are_not_compared_alone(tmp_path: Path) -> None:
    for name, statuses in {"a": ["completed"] * 3, "b": ["completed", "completed", "pruned"]}.items():
        for seed, status in enumerate(statuses):
            write_run(tmp_path / f"{name}{seed}", f"optimizer={name} seed={seed}", 10 + seed, status=status)
    with pytest.raises(InputError, match="optimizer=b: no completed run"):
        compare(leaderboard(tmp_path), "optimizer=a", "optimizer=b")


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


def write_folds(folder: Path, overrides: str, mistakes: list[list[int]], label: int = 3) -> None:
    """One run for each fold, with the indices of its misclassified digits."""
    for fold, indices in enumerate(mistakes):
        run = folder / f"{overrides}_{fold}"
        write_run(run, f"{overrides} data.fold={fold} data.folds={len(mistakes)}", len(indices))
        write_mistakes(run, dict.fromkeys(indices, (label, 5)))


def test_p_value_is_mcnemars() -> None:
    assert mcnemar_p_value(1, 8) == mcnemar_p_value(8, 1) == pytest.approx(2 * (1 + 9) / 2**9)
    assert mcnemar_p_value(5, 5) == mcnemar_p_value(0, 0) == 1


def test_folds_of_one_seed_are_compared_digit_by_digit(tmp_path: Path) -> None:
    write_folds(tmp_path, "optimizer=a seed=4", [[0, 1, 2], [10]])
    write_folds(tmp_path, "optimizer=b seed=4", [[1, 2, 3, 4, 5, 6], [10, 11, 12, 13, 14]])
    *sides, sentence = compare(leaderboard(tmp_path), "optimizer=a", "optimizer=b").splitlines()
    assert len(sides) == 2  # no t-test
    # Only a: 0. Only b: 3, 4, 5, 6, 11, 12, 13, 14.
    assert (
        "with seed=4: of 2,000 validation digits, only optimizer=a misclassifies 1 and only optimizer=b 8" in sentence
    )
    assert "p = 0.039" in sentence


def test_digits_are_compared_with_the_lowest_common_seed_only(tmp_path: Path) -> None:
    for seed, mistakes in ((2, [1]), (9, [1, 2, 3]), (10, [1, 2, 3, 4])):
        write_folds(tmp_path, f"optimizer=a seed={seed}", [mistakes])
        if seed > 2:
            write_folds(tmp_path, f"optimizer=b seed={seed}", [[0, 1]])
    *_, over_seeds, over_digits = compare(leaderboard(tmp_path), "optimizer=a", "optimizer=b").splitlines()
    assert "2 seeds, t-test" in over_seeds
    assert "with seed=9: of 1,000 validation digits, only optimizer=a misclassifies 2" in over_digits
    assert "p = 1)" in over_digits


def test_folds_of_a_seed_are_one_observation_of_the_t_test(tmp_path: Path) -> None:
    for seed in range(2):
        for name, more in (("a", 0), ("b", 2 + seed)):
            for fold in range(3):
                overrides = f"optimizer={name} seed={seed} data.fold={fold} data.folds=3"
                write_run(tmp_path / f"{name}{seed}{fold}", overrides, 10 + more)
    assert "2 seeds, t-test p = 0.13" in compare(leaderboard(tmp_path), "optimizer=a", "optimizer=b")


@pytest.mark.parametrize("other", ["no mistakes.csv", "other folds", "other labels"])
def test_digits_that_are_not_the_same_are_not_compared(tmp_path: Path, other: str) -> None:
    write_folds(tmp_path, "optimizer=a seed=0", [[1], [2]])
    write_folds(
        tmp_path, "optimizer=b seed=0", [[1], [2]] + [[3]] * (other == "other folds"), 3 + (other == "other labels")
    )
    if other == "no mistakes.csv":
        for path in tmp_path.glob("optimizer=b*/mistakes.csv"):
            path.unlink()
    sides = [f"optimizer={name},data.folds={3 if other == 'other folds' and name == 'b' else 2}" for name in "ab"]
    sides = sides if other == "other folds" else ["optimizer=a", "optimizer=b"]
    with pytest.raises(InputError, match="share 1 seeds; at least 2 .* mistakes.csv"):
        compare(leaderboard(tmp_path), *sides)


def test_list_of_experiments_is_a_selector(tmp_path: Path) -> None:
    for name, mistakes in (("fast", [1, 2]), ("compact", [1])):
        write_folds(tmp_path, f"experiment=[{name},study/folds] seed=0", [mistakes])
    sides = ["experiment=[fast,study/folds]", "experiment=[compact,study/folds]"]
    assert f"only {sides[0]} misclassifies 1 and only {sides[1]} 0" in compare(leaderboard(tmp_path), *sides)


def test_damaged_mistakes_are_named(tmp_path: Path) -> None:
    for name in "ab":
        write_folds(tmp_path, f"optimizer={name} seed=0", [[1]])
    for content in ("split,index\n", "split,index,label,predicted,confidence\nval,1,12,3,0.5\n", "\x00"):
        (tmp_path / "optimizer=a seed=0_0" / "mistakes.csv").write_text(content)
        with pytest.raises(InputError, match="a seed=0_0/mistakes.csv"):
            compare(leaderboard(tmp_path), "optimizer=a", "optimizer=b")

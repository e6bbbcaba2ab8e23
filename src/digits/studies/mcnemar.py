"""McNemar's exact test between two configurations, digit by digit."""

from collections.abc import Sequence

from scipy.stats import binomtest

from digits.runs.digit_tables import read_mistakes
from digits.studies.results import RunResult

SPLIT_SETTINGS = ("data.source._target_", "data.train_csv", "data.train", "data.folds", "data.val_size")


def describe_discordant(a: str, b: str, pairs: Sequence[tuple[RunResult, RunResult]], setting: str) -> str | None:
    """One sentence on the validation digits that only one of `a` and `b` misclassifies, for pairs of runs with equal
    folds and this `setting`. None if the runs have no mistakes.csv, or other validation digits than their partners.

    Raises InputError for a damaged mistakes.csv."""
    comparable = [pair for pair in pairs if _have_same_digits(*pair)]
    if not comparable:
        return None
    only_a = only_b = total = 0
    for run_a, run_b in comparable:
        labels_a = _labels_of_mistakes(run_a)
        labels_b = _labels_of_mistakes(run_b)
        shared = labels_a.keys() & labels_b.keys()
        if any(labels_a[index] != labels_b[index] for index in shared):
            return None
        only_a += len(labels_a) - len(shared)
        only_b += len(labels_b) - len(shared)
        total += int(run_a.numbers.get("val_total", 0))
    p = mcnemar_p_value(only_a, only_b)
    return (
        f"Digit by digit with {setting}: of {total:,} validation digits, only {a} misclassifies {only_a:,} and only "
        f"{b} {only_b:,} (McNemar's exact test, p = {p:.2g})."
    )


def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """Two-sided and exact: each digit that only one of the two misclassifies is a fair coin toss."""
    tosses = only_a + only_b
    return float(binomtest(only_a, tosses).pvalue) if tosses else 1.0


def _have_same_digits(a: RunResult, b: RunResult) -> bool:
    """Whether both runs have saved their mistakes and were validated with the same digits."""
    if not a.files.mistakes_path.is_file() or not b.files.mistakes_path.is_file():
        return False
    same_number = a.numbers.get("val_total") == b.numbers.get("val_total")
    return same_number and a.values(SPLIT_SETTINGS) == b.values(SPLIT_SETTINGS)


def _labels_of_mistakes(run: RunResult) -> dict[int, int]:
    """The labels of the misclassified validation digits, by index."""
    mistakes = read_mistakes(run.files, "val")
    return dict(zip(mistakes["index"], mistakes["label"], strict=True))

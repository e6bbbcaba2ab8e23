"""McNemar's exact test between two configurations, digit by digit."""

from collections.abc import Sequence

from scipy.stats import binomtest

from digits.runs.digit_tables import read_mistakes
from digits.studies.results import RunResult

SPLIT_SETTINGS = ("data.source._target_", "data.train_csv", "data.folds", "data.val_size")


def describe_discordant(a: str, b: str, pairs: Sequence[tuple[RunResult, RunResult]], setting: str) -> str | None:
    """One sentence on the validation digits that only one of `a` and `b` misclassifies, for pairs of runs with equal
    folds and this `setting`. None if the runs have no mistakes.csv, or other validation digits than their partners.

    Raises InputError for a damaged mistakes.csv."""
    only_a = only_b = total = 0
    saved = [pair for pair in pairs if all(run.files.mistakes_path.is_file() for run in pair)]
    pairs = [pair for pair in saved if _same_digits(*pair)]
    for run_a, run_b in pairs:
        tables = (read_mistakes(run.files, "val") for run in (run_a, run_b))
        labels_a, labels_b = (dict(zip(table["index"], table["label"], strict=True)) for table in tables)
        if any(labels_a[index] != labels_b[index] for index in labels_a.keys() & labels_b.keys()):
            return None
        only_a += len(labels_a.keys() - labels_b.keys())
        only_b += len(labels_b.keys() - labels_a.keys())
        total += int(run_a.numbers.get("val_total", 0))
    if not pairs:
        return None
    p = mcnemar_p_value(only_a, only_b)
    return (
        f"Digit by digit with {setting}: of {total:,} validation digits, only {a} misclassifies {only_a:,} and only "
        f"{b} {only_b:,} (McNemar's exact test, p = {p:.2g})."
    )


def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """Two-sided and exact: each digit that only one of the two misclassifies is a fair coin toss."""
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def _same_digits(a: RunResult, b: RunResult) -> bool:
    """Whether both runs were validated with the same digits."""
    same_number = a.numbers.get("val_total") == b.numbers.get("val_total")
    return same_number and all(a.setting(key) == b.setting(key) for key in SPLIT_SETTINGS)

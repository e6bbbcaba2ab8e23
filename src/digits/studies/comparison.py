"""Comparison of two configurations: a paired t-test over seeds, and McNemar's test over digits."""

import math
import re
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from digits.errors import InputError, plural
from digits.studies.configuration import MeanStd
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import RunResult, natural_key
from digits.studies.study import REPLICATE_KEYS, short_names
from digits.studies.values import is_typed_as

if TYPE_CHECKING:
    import pandas as pd

ALPHA, POWER = 0.05, 0.8
MAX_SEEDS = 1000
ROUNDING_TOLERANCE = 1e-9
SEED_KEYS = [key for key in REPLICATE_KEYS if key != "data.fold"]
PAIR = ["seeds", "fold", "values"]
"""The columns that runs of a pair have in common: the values of `SEED_KEYS`, the fold, and the values of the pairing
keys, the settings that neither selector names."""


def compare(board: Leaderboard, a: str, b: str) -> str:
    """A few lines on which of two selectors, `optimizer=adam,max_epochs=5`, has the lower validation error.

    Pairs runs with equal seed, fold and values of all columns outside the selectors. The differences of one seed are
    not independent: the t-test averages them first, and McNemar's test uses the runs of the lowest seed with saved
    mistakes.

    Raises InputError if a selector has an unknown column or no runs, or if neither test is possible.
    """
    named = {*_parse_selector(board, a), *_parse_selector(board, b)}
    pairing_keys = [key for key in board.keys if key not in named]
    runs_a = _select_runs(board, a, pairing_keys)
    runs_b = _select_runs(board, b, pairing_keys)
    pairs = runs_a.merge(runs_b, on=PAIR, suffixes=("_a", "_b"))  # in the order of runs_a
    differences = _differences_by_seed(pairs)
    tests = []
    if len(differences) >= 2:
        tests.append(describe_difference(a, b, differences))
    over_digits = _describe_digits(a, b, pairs, pairing_keys)
    if over_digits is not None:
        tests.append(over_digits)
    if not tests:
        equal = " and ".join(["seed", *short_names(pairing_keys)])
        raise InputError(
            f"{a} and {b}: completed runs with equal {equal} share {len(differences)} seeds; at least 2 are needed. "
            "McNemar's test needs only 1, but mistakes.csv in the runs of both and the same validation digits"
        )
    width = max(len(a), len(b))
    line_a = f"{a:<{width}}  {_mean_error(pairs['error_a'])}"
    line_b = f"{b:<{width}}  {_mean_error(pairs['error_b'])}"
    return "\n".join([line_a, line_b, *tests])


def describe_difference(a: str, b: str, differences: Sequence[float]) -> str:
    """One sentence on the differences, error of `b` minus error of `a` as fractions, of at least two seeds."""
    from scipy.stats import ttest_1samp  # imported late: takes a second

    count = len(differences)
    mean = statistics.mean(differences)
    std = statistics.stdev(differences)
    if abs(mean) < ROUNDING_TOLERANCE:
        return f"No difference in the mean of {count} seeds."
    better, worse = (a, b) if mean > 0 else (b, a)
    points = f"{100 * abs(mean):.2f} points"
    if std < ROUNDING_TOLERANCE:
        return f"{better} is ahead of {worse} by {points} with each of {count} seeds: no test without any spread."
    advantages = [math.copysign(1, mean) * difference for difference in differences]
    test = ttest_1samp(advantages, 0)
    low, high = test.confidence_interval(1 - ALPHA)
    interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
    measured = f"{points} ({interval}; {count} seeds, t-test p = {test.pvalue:.2g})"
    if test.pvalue < ALPHA:
        return f"{better} beats {worse} by {measured}."
    return (
        f"{better} is ahead of {worse} by {measured}, which is not significant. {_more_seeds(abs(mean) / std, count)} "
        f"would show a true difference of this size in {POWER:.0%} of all cases."
    )


def _more_seeds(effect: float, count: int) -> str:
    """How many seeds are missing if there are `count`, for `effect` standard deviations: `About 3 more seeds`."""
    needed = seeds_needed(effect)
    if needed > MAX_SEEDS:
        return f"More than {MAX_SEEDS - count:,} more seeds"
    return f"About {plural(needed - count, 'more seed')}"


def seeds_needed(effect: float) -> int:
    """The smallest number of seeds with which a paired t-test at `ALPHA` finds, with a probability of `POWER`, a mean
    difference of `effect` standard deviations; at most `MAX_SEEDS + 1`."""
    from scipy.stats import nct, t

    for count in range(2, MAX_SEEDS + 1):
        degrees = count - 1
        critical = t.ppf(1 - ALPHA / 2, degrees)
        shift = effect * math.sqrt(count)
        power = nct.sf(critical, degrees, shift) + nct.cdf(-critical, degrees, shift)
        if power >= POWER:
            return count
    return MAX_SEEDS + 1


def _parse_selector(board: Leaderboard, selector: str) -> dict[str, str]:
    """The values by the full keys of their settings."""
    keys = dict(zip(board.names, board.keys, strict=True))
    keys.update(zip(board.keys, board.keys, strict=True))
    selected = {}
    for part in re.split(r",(?![^[]*\])", selector):  # not at a comma of a list, experiment=[compact,study/folds]
        name, _, value = part.partition("=")
        name = name.strip()
        if name not in keys:
            reason = "pairs the runs" if name in REPLICATE_KEYS else "is not a column of the table"
            columns = ", ".join(board.names) or "nothing"
            raise InputError(f"--compare {selector}: {name} {reason}; the columns are {columns}")
        selected[keys[name]] = value.strip()
    return selected


def _select_runs(board: Leaderboard, side: str, pairing_keys: Sequence[str]) -> "pd.DataFrame":
    """The selected runs with a validation error, one row each, the lowest seed first: the columns `PAIR`,
    `run` and `error`."""
    import pandas as pd  # imported late: takes half a second

    selector = _parse_selector(board, side)
    selected = [run for run in board.results if _matches(run, selector)]
    if not selected:
        values = "; ".join(_describe_values(board, key) for key in selector)
        raise InputError(f"--compare {side}: no such run; the values are {values}")
    beside_pruned: set[RunResult] = set()  # only the better seeds are left
    for row in board.rows:
        if row.pruned:
            beside_pruned.update(row.completed)
    pair_keys = [*SEED_KEYS, "data.fold", *pairing_keys]
    rows = []
    for run in sorted(selected, key=lambda run: [natural_key(value) for value in run.values(pair_keys)]):
        if "val_error" in run.numbers and run not in beside_pruned:
            pair = (run.values(SEED_KEYS), run.setting("data.fold"), run.values(pairing_keys))
            rows.append((*pair, run, run.numbers["val_error"]))
    if not rows:
        raise InputError(f"--compare {side}: no completed run with a validation error; test errors are never compared")
    table = pd.DataFrame(rows, columns=[*PAIR, "run", "error"])
    if table.duplicated(PAIR).any():
        raise InputError(f"--compare {side}: several of its runs have the same seed; name more settings, a=x,b=y")
    return table


def _matches(run: RunResult, selector: dict[str, str]) -> bool:
    return all(is_typed_as(run.setting(key), text) for key, text in selector.items())


def _describe_values(board: Leaderboard, key: str) -> str:
    values = {run.setting(key) for run in board.results}
    return f"{key}: {', '.join(sorted(values))}"


def _differences_by_seed(pairs: "pd.DataFrame") -> list[float]:
    """The mean of `error_b` minus `error_a` over the pairs of each seed."""
    differences = pairs["error_b"] - pairs["error_a"]
    by_seed = differences.groupby(pairs["seeds"], sort=False)
    return [statistics.mean(of_seed.tolist()) for _, of_seed in by_seed]


def _mean_error(errors: "pd.Series[float]") -> MeanStd | None:
    return MeanStd.from_values(tuple(errors.tolist()))


def _describe_digits(a: str, b: str, pairs: "pd.DataFrame", pairing_keys: Sequence[str]) -> str | None:
    """McNemar's test with the pairs that differ only in the fold: those of the lowest seed that can be compared."""
    from digits.studies.mcnemar import describe_discordant  # imported late: pandas and SciPy take a second

    names = short_names(pairing_keys)
    for _, folds in pairs.groupby(["seeds", "values"], sort=False):
        first_pair = folds.iloc[0]
        seed = first_pair["seeds"][0]
        settings = [f"seed={seed}"]
        settings += [f"{name}={value}" for name, value in zip(names, first_pair["values"], strict=True)]
        runs = list(zip(folds["run_a"], folds["run_b"], strict=True))
        line = describe_discordant(a, b, runs, ", ".join(settings))
        if line is not None:
            return line
    return None

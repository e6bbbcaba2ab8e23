"""Comparison of two configurations: a paired t-test over seeds, and McNemar's test over digits."""

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Sequence

from digits.errors import InputError
from digits.studies.configuration import MeanStd
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import RunResult, natural_key
from digits.studies.study import REPLICATE_KEYS, short_names
from digits.studies.values import is_typed_as

FOLD = REPLICATE_KEYS.index("data.fold")
ALPHA, POWER = 0.05, 0.8
MAX_SEEDS = 1000
ROUNDING_TOLERANCE = 1e-9


def compare(board: Leaderboard, a: str, b: str) -> str:
    """A few lines on which of two selectors, `optimizer=adam,max_epochs=5`, has the lower validation error.

    Pairs runs with equal seed, fold and values of all columns outside the selectors. The differences of one seed are
    not independent: the t-test averages them first, and McNemar's test uses the runs of the lowest seed with saved
    mistakes.

    Raises InputError if a selector has an unknown column or no runs, or if neither test is possible.
    """
    named = {key for side in (a, b) for key in _parse_selector(board, side)}
    pairing_keys = [key for key in board.keys if key not in named]
    runs = {side: _select(board, side, pairing_keys) for side in (a, b)}
    pairs = sorted(runs[a].keys() & runs[b].keys(), key=lambda pair: [natural_key(value) for value in pair])
    errors = {side: [runs[side][pair].numbers["val_error"] for pair in pairs] for side in (a, b)}
    by_seed = defaultdict(list)
    for pair, error_a, error_b in zip(pairs, errors[a], errors[b], strict=True):
        by_seed[pair[:FOLD]].append(error_b - error_a)
    tests = []
    if len(by_seed) >= 2:
        tests.append(describe_difference(a, b, [statistics.mean(values) for values in by_seed.values()]))
    if line := _describe_digits(a, b, [(pair, runs[a][pair], runs[b][pair]) for pair in pairs], pairing_keys):
        tests.append(line)
    if not tests:
        equal = " and ".join(["seed", *short_names(pairing_keys)])
        raise InputError(
            f"{a} and {b}: completed runs with equal {equal} share {len(by_seed)} seeds; at least 2 are needed. "
            "McNemar's test needs only 1, but mistakes.csv in the runs of both and the same validation digits"
        )
    width = max(len(a), len(b))
    return "\n".join([*(f"{side:<{width}}  {MeanStd.from_values(tuple(errors[side]))}" for side in (a, b)), *tests])


def describe_difference(a: str, b: str, differences: Sequence[float]) -> str:
    """One sentence on the differences, error of `b` minus error of `a` as fractions, of at least two seeds."""
    from scipy.stats import ttest_1samp  # imported late: takes a second

    count, mean, std = len(differences), statistics.mean(differences), statistics.stdev(differences)
    if abs(mean) < ROUNDING_TOLERANCE:
        return f"No difference in the mean of {count} seeds."
    better, worse = (a, b) if mean > 0 else (b, a)
    points = f"{100 * abs(mean):.2f} points"
    if std < ROUNDING_TOLERANCE:
        return f"{better} is ahead of {worse} by {points} with each of {count} seeds: no test without any spread."
    test = ttest_1samp([math.copysign(1, mean) * difference for difference in differences], 0)
    low, high = test.confidence_interval(1 - ALPHA)
    interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
    measured = f"{points} ({interval}; {count} seeds, t-test p = {test.pvalue:.2g})"
    if test.pvalue < ALPHA:
        return f"{better} beats {worse} by {measured}."
    more = seeds_needed(abs(mean) / std) - count
    needed = f"About {more}" if count + more <= MAX_SEEDS else f"More than {MAX_SEEDS - count:,}"
    return (
        f"{better} is ahead of {worse} by {measured}, which is not significant. {needed} more "
        f"{'seed' if more == 1 else 'seeds'} would show a true difference of this size in {POWER:.0%} of all cases."
    )


def seeds_needed(effect: float) -> int:
    """The smallest number of seeds with which a paired t-test at `ALPHA` finds, with a probability of `POWER`, a mean
    difference of `effect` standard deviations; at most `MAX_SEEDS + 1`."""
    from scipy.stats import nct, t

    for count in range(2, MAX_SEEDS + 1):
        critical, shift = t.ppf(1 - ALPHA / 2, count - 1), effect * math.sqrt(count)
        if nct.sf(critical, count - 1, shift) + nct.cdf(-critical, count - 1, shift) >= POWER:
            return count
    return MAX_SEEDS + 1


def _parse_selector(board: Leaderboard, selector: str) -> dict[str, str]:
    keys = {**dict(zip(board.names, board.keys, strict=True)), **{key: key for key in board.keys}}
    selected = {}
    for part in re.split(r",(?![^[]*\])", selector):  # not at a comma of a list, experiment=[compact,study/folds]
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in keys:
            reason = "pairs the runs" if name in REPLICATE_KEYS else "is not a column of the table"
            columns = ", ".join(board.names) or "nothing"
            raise InputError(f"--compare {selector}: {name} {reason}; the columns are {columns}")
        selected[keys[name]] = value
    return selected


def _select(board: Leaderboard, side: str, pairing_keys: Sequence[str]) -> dict[tuple[str, ...], RunResult]:
    """The selected runs with a validation error, by seed, fold and values of the pairing keys."""
    selector = _parse_selector(board, side)
    runs = [run for run in board.results if all(is_typed_as(run.setting(key), text) for key, text in selector.items())]
    if not runs:
        values = (f"{key}: {', '.join(sorted({run.setting(key) for run in board.results}))}" for key in selector)
        raise InputError(f"--compare {side}: no such run; the values are {'; '.join(values)}")
    selected: dict[tuple[str, ...], RunResult] = {}
    beside_pruned = [run for row in board.rows if row.pruned for run in row.completed]  # only the better seeds are left
    for run in runs:
        if "val_error" not in run.numbers or run in beside_pruned:
            continue
        pair = tuple(run.setting(key) for key in (*REPLICATE_KEYS, *pairing_keys))
        if pair in selected:
            raise InputError(f"--compare {side}: several of its runs have the same seed; name more settings, a=x,b=y")
        selected[pair] = run
    if not selected:
        raise InputError(f"--compare {side}: no completed run with a validation error; test errors are never compared")
    return selected


def _describe_digits(
    a: str, b: str, pairs: Sequence[tuple[tuple[str, ...], RunResult, RunResult]], pairing_keys: Sequence[str]
) -> str | None:
    """McNemar's test with the pairs that differ only in the fold: those of the lowest seed that can be compared."""
    from digits.studies.mcnemar import describe_discordant  # imported late: pandas and SciPy take a second

    folds = defaultdict(list)
    for pair, run_a, run_b in pairs:
        folds[pair[:FOLD] + pair[FOLD + 1 :]].append((run_a, run_b))
    for values, runs in folds.items():
        others = zip(short_names(pairing_keys), values[FOLD:], strict=True)
        setting = ", ".join(f"{name}={value}" for name, value in (("seed", values[0]), *others))
        if line := describe_discordant(a, b, runs, setting):
            return line
    return None

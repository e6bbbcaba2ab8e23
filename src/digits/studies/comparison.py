"""A paired t-test between two configurations over the seeds of both."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence

from digits.errors import InputError
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import MeanStd, canonical
from digits.studies.study import REPLICATE_KEYS, short_names

ALPHA, POWER = 0.05, 0.8
MAX_SEEDS = 1000
ROUNDING_TOLERANCE = 1e-9


def compare(board: Leaderboard, a: str, b: str) -> str:
    """A few lines on which of two selectors, `optimizer=adam,max_epochs=5`, has the lower validation error.

    Pairs runs with equal seed, fold and values of all columns outside the selectors. The differences of one seed are
    not independent and are averaged first.

    Raises InputError if a selector has an unknown column or no runs, or if fewer than two seeds remain.
    """
    named = {key for side in (a, b) for key in _parse_selector(board, side)}
    pairing_keys = [key for key in board.keys if key not in named]
    sides = {side: _errors(board, side, pairing_keys) for side in (a, b)}
    pairs = sorted(sides[a].keys() & sides[b].keys())
    by_seed = defaultdict(list)
    for pair in pairs:
        by_seed[pair[: len(REPLICATE_KEYS)]].append(sides[b][pair] - sides[a][pair])
    if len(by_seed) < 2:
        equal = " and ".join(["seed", *short_names(pairing_keys)])
        raise InputError(
            f"{a} and {b}: completed runs with equal {equal} share {len(by_seed)} seeds; at least 2 are needed"
        )
    lines = [
        f"{side:<{max(len(a), len(b))}}  {MeanStd.from_values(tuple(errors[pair] for pair in pairs))}"
        for side, errors in sides.items()
    ]
    return "\n".join([*lines, describe_difference(a, b, [statistics.mean(values) for values in by_seed.values()])])


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
    for part in selector.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in keys:
            reason = "pairs the runs" if name in REPLICATE_KEYS else "is not a column of the table"
            columns = ", ".join(board.names) or "nothing"
            raise InputError(f"--compare {selector}: {name} {reason}; the columns are {columns}")
        selected[keys[name]] = canonical(value)
    return selected


def _errors(board: Leaderboard, side: str, pairing_keys: Sequence[str]) -> dict[tuple[str, ...], float]:
    """Validation errors of the selected runs, by seed, fold and values of the pairing keys."""
    selector = _parse_selector(board, side)
    runs = [run for run in board.results if all(run.setting(key) == value for key, value in selector.items())]
    if not runs:
        values = (f"{key}: {', '.join(sorted({run.setting(key) for run in board.results}))}" for key in selector)
        raise InputError(f"--compare {side}: no such run; the values are {'; '.join(values)}")
    errors: dict[tuple[str, ...], float] = {}
    for run in runs:
        if (error := run.numbers.get("val_error")) is None:
            continue
        pair = tuple(run.setting(key) for key in (*REPLICATE_KEYS, *pairing_keys))
        if pair in errors:
            raise InputError(f"--compare {side}: several of its runs have the same seed; name more settings, a=x,b=y")
        errors[pair] = error
    if not errors:
        raise InputError(f"--compare {side}: no completed run with a validation error; test errors are never compared")
    return errors

"""Whether one configuration beats another: a paired test over the seeds that both were trained with."""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence

from digits.errors import InputError
from digits.studies.leaderboard import REPLICATE_KEYS, Leaderboard, Result, Spread, normal, short_names

SIGNIFICANT, POWER = 0.05, 0.8
MOST_SEEDS = 1000
NOTHING = 1e-9  # what rounding leaves of no difference


def compare(board: Leaderboard, one: str, other: str) -> str:
    """Says, in a few lines, which of two sides has the lower validation error. Runs are paired that agree in seed, fold
    and every column that the sides do not name; over those columns the differences of a seed are averaged, because they
    are not independent.

    Raises InputError if a side names no column of the table or no run, or if fewer than two seeds are left.
    """
    named = {key for name in (one, other) for key in _asked(board, name)}
    rest = [key for key in board.columns if key not in named]
    sides = []
    for name in (one, other):
        runs = _runs(board, name)
        sides.append(
            {(run.chance, tuple(run.setting(key) for key in rest)): run.metrics["val"]["error"] for run in runs}
        )
        if len(sides[-1]) < len(runs):
            raise InputError(f"--compare {name}: several of its runs have the same seed; name more settings, a=x,b=y")
    pairs = sorted(sides[0].keys() & sides[1].keys())
    gains = defaultdict(list)
    for pair in pairs:
        gains[pair[0]].append(sides[1][pair] - sides[0][pair])
    if len(gains) < 2:
        agree = " and ".join(["seed", *short_names(rest)])
        raise InputError(
            f"{one} and {other}: the finished runs that agree in {agree} have {len(gains)} seeds; at least 2 are needed"
        )
    width = max(len(one), len(other))
    lines = [
        f"{name:<{width}}  {Spread.of([side[pair] for pair in pairs])}"
        for name, side in zip((one, other), sides, strict=True)
    ]
    return "\n".join([*lines, verdict(one, other, [statistics.mean(values) for values in gains.values()])])


def verdict(one: str, other: str, gains: Sequence[float]) -> str:
    """One sentence from the differences, error of `other` minus error of `one` (fractions), of at least two seeds."""
    from scipy.stats import t  # only here: SciPy's statistics take a second

    count, mean, deviation = len(gains), statistics.mean(gains), statistics.stdev(gains)
    better, worse = (one, other) if mean > 0 else (other, one)
    if abs(mean) < NOTHING:
        return f"No difference in the mean of {count} seeds."
    if deviation < NOTHING:
        points = f"{100 * abs(mean):.2f} points, the same with each of {count} seeds"
        return f"{better} is ahead of {worse} by {points}: without any spread there is no test."
    error = deviation / math.sqrt(count)
    p = float(2 * t.sf(abs(mean) / error, count - 1))
    half = float(t.ppf(1 - SIGNIFICANT / 2, count - 1)) * error
    low, high = 100 * (abs(mean) - half), 100 * (abs(mean) + half)
    measured = (
        f"{100 * abs(mean):.2f} points (95 % interval {low:.2f} to {high:.2f}; {count} seeds, t-test p = {p:.2g})"
    )
    if p < SIGNIFICANT:
        return f"{better} beats {worse} by {measured}."
    more = seeds_needed(abs(mean) / deviation) - count
    needed = f"about {more} more" if count + more <= MOST_SEEDS else f"more than {MOST_SEEDS - count:,} more"
    return (
        f"{better} is ahead of {worse} by {measured}: not enough to tell. If the difference is real, {needed} "
        f"{'seed' if more == 1 else 'seeds'} would show it with a probability of {POWER:.0%}."
    )


def seeds_needed(effect: float) -> int:
    """The fewest seeds with which a two-sided paired t-test at 5 % finds a difference of `effect` of its standard
    deviations four times in five; `MOST_SEEDS + 1` if that takes more."""
    from scipy.stats import nct, t

    for count in range(2, MOST_SEEDS + 1):
        critical, shift = t.ppf(1 - SIGNIFICANT / 2, count - 1), effect * math.sqrt(count)
        if nct.sf(critical, count - 1, shift) + nct.cdf(-critical, count - 1, shift) >= POWER:
            return count
    return MOST_SEEDS + 1


def _asked(board: Leaderboard, side: str) -> dict[str, str]:
    """Column -> value, from `optimizer=adam,max_epochs=5`."""
    known = {**dict(zip(board.names, board.columns, strict=True)), **{key: key for key in board.columns}}
    asked = {}
    for part in side.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in known:
            columns = ", ".join(board.names) or "nothing"
            paired = " (runs are paired by it)" if name in REPLICATE_KEYS else ""
            raise InputError(f"--compare {side}: {name} is no column of the table{paired}; what varies is {columns}")
        asked[known[name]] = normal(value)
    return asked


def _runs(board: Leaderboard, side: str) -> list[Result]:
    asked = _asked(board, side)
    runs = [run for run in board.results if all(run.setting(key) == value for key, value in asked.items())]
    if not runs:
        there = "; ".join(f"{key}: {', '.join(sorted({run.setting(key) for run in board.results}))}" for key in asked)
        raise InputError(f"--compare {side}: no run has that; there are {there}")
    if not any(run.error("val") is not None for run in runs):
        raise InputError(
            f"--compare {side}: no finished run with a validation error, and the test error decides nothing"
        )
    return [run for run in runs if run.error("val") is not None]

"""Whether one configuration beats another: a paired test over the seeds that both were trained with."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from digits.errors import InputError
from digits.leaderboard import FOLDED, Leaderboard, Result, Spread, short_names

SIGNIFICANT, POWER = 0.05, 0.8
MOST_PAIRS = 1000
NOTHING = 1e-9  # what rounding leaves of no difference


class Side(NamedTuple):
    """One side of a comparison: settings as they were asked for, `optimizer=adam,max_epochs=5`, and the finished runs
    that have them."""

    name: str
    results: list[Result]


def compare(board: Leaderboard, one: str, other: str) -> str:
    """Says, in a few lines, which of two sides has the lower validation error; runs are paired that agree in seed, fold
    and every column that the sides do not name.

    Raises InputError if a side names no column of the table or no run, or if fewer than two pairs are left.
    """
    named = {key for name in (one, other) for key in _asked(board, name)}
    rest = [key for key in board.columns if key not in named]
    sides = [Side(name, _runs(board, name)) for name in (one, other)]
    errors = []
    for side in sides:
        by_pair = {
            (*result.pair, *(result.setting(key) for key in rest)): error
            for result in side.results
            if (error := result.error("val")) is not None
        }
        if len(by_pair) < len(side.results):
            raise InputError(f"{side.name}: several finished runs with the same seed; name more settings, a=x,b=y")
        errors.append(by_pair)
    pairs = sorted(errors[0].keys() & errors[1].keys())
    if len(pairs) < 2:
        raise InputError(
            f"{one} and {other} have {len(pairs)} finished runs in common that agree in seed"
            f"{' and '.join(['', *short_names(rest)])}; at least 2 are needed"
        )
    first, second = ([side[pair] for pair in pairs] for side in errors)
    width = max(len(one), len(other))
    return "\n".join(
        [
            *(f"{name:<{width}}  {Spread.of(values)}" for name, values in ((one, first), (other, second))),
            verdict(one, other, [b - a for a, b in zip(first, second, strict=True)]),
        ]
    )


def verdict(one: str, other: str, gains: Sequence[float]) -> str:
    """One sentence from the differences, error of `other` minus error of `one` (fractions), of at least two pairs."""
    from scipy.stats import t  # only here: SciPy's statistics take a second

    count, mean, deviation = len(gains), statistics.mean(gains), statistics.stdev(gains)
    better, worse = (one, other) if mean > 0 else (other, one)
    if abs(mean) < NOTHING:
        return f"No difference in the mean of {count} pairs."
    if deviation < NOTHING:
        points = f"{100 * abs(mean):.2f} points, the same in each of {count} pairs"
        return f"{better} is ahead of {worse} by {points}: without any spread there is no test."
    error = deviation / math.sqrt(count)
    p = float(2 * t.sf(abs(mean) / error, count - 1))
    half = float(t.ppf(1 - SIGNIFICANT / 2, count - 1)) * error
    low, high = 100 * (abs(mean) - half), 100 * (abs(mean) + half)
    measured = (
        f"{100 * abs(mean):.2f} points (95 % interval {low:.2f} to {high:.2f}; {count} pairs, t-test p = {p:.2g})"
    )
    if p < SIGNIFICANT:
        return f"{better} beats {worse} by {measured}."
    needed = pairs_needed(abs(mean) / deviation)
    more = f"about {needed - count} more" if needed <= MOST_PAIRS else f"more than {MOST_PAIRS - count:,} more"
    return (
        f"{better} is ahead of {worse} by {measured}: not enough to tell. If the difference is real, {more} "
        f"{'pair' if needed - count == 1 else 'pairs'} of runs would show it with a probability of {POWER:.0%}."
    )


def pairs_needed(effect: float) -> int:
    """The fewest pairs with which a two-sided paired t-test at 5 % finds a difference of `effect` of its standard
    deviations four times in five; `MOST_PAIRS + 1` if that takes more."""
    from scipy.stats import nct, t

    for count in range(2, MOST_PAIRS + 1):
        critical, shift = t.ppf(1 - SIGNIFICANT / 2, count - 1), effect * math.sqrt(count)
        if nct.sf(critical, count - 1, shift) + nct.cdf(-critical, count - 1, shift) >= POWER:
            return count
    return MOST_PAIRS + 1


def _asked(board: Leaderboard, side: str) -> dict[str, str]:
    """Column -> value, from `optimizer=adam,max_epochs=5`."""
    known = {**dict(zip(board.names, board.columns, strict=True)), **{key: key for key in board.columns}}
    asked = {}
    for part in side.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in known:
            columns = ", ".join(board.names) or f"nothing but {', '.join(FOLDED)}"
            raise InputError(f"--compare {side}: {name} is no column of the table; what varies is {columns}")
        asked[known[name]] = value
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

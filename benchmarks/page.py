"""docs/performance.md from the records: its tables stand between `<!-- PART -->` and `<!-- end -->`."""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.contest import Contest, figure, markdown
from benchmarks.record import read_record

BLOCK = re.compile(r"(?<=<!-- )(?!end )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def filled(page: str, folder: Path) -> str:
    """The page with the tables of the records in that folder."""

    def block(match: re.Match[str]) -> str:
        machine, contests = read_record(match[1], folder)
        lines = [line for table in tables(match[1], contests) for line in [*table, ""]]
        return "\n".join([match[1] + match[2], *lines, *_source(match[1], machine), ""])

    return BLOCK.sub(block, page)


def _source(part: str, machine: dict[str, Any]) -> list[str]:
    at = f" at {machine['git']['commit'][:7]}" if machine["git"] else ""
    where = f"`python -m benchmarks {part}`{at}: {machine['device']}, {machine['digits']}."
    return [f"{where} Peers: {machine['peers']}.", ""]


def tables(part: str, contests: list[Contest]) -> Iterator[list[str]]:
    """Lines of Markdown, a table each."""
    if part == "hardware":
        yield markdown(["network", *contests[0].turns[contests[0].title][0]], [_medians(one) for one in contests])
    elif part == "pareto":
        yield markdown(["", "seconds", "test error", "lowest – highest", "runs"], [_outcome(one) for one in contests])
    else:
        for contest in contests:
            yield contest.table()


def _medians(contest: Contest) -> list[str]:
    """Of a contest's only contender."""
    [name] = contest.turns
    return [name, *(figure(median(contest.values(name, quantity))) for quantity in contest.turns[name][0])]


def _outcome(contest: Contest) -> list[str]:
    if not contest.turns:
        [reason] = contest.missing.values()
        return [contest.title, "missing", reason, "", ""]
    [name] = contest.turns
    errors = contest.values(name, "error")
    spread = f"{min(errors):.2%} – {max(errors):.2%}" if len(errors) > 1 else ""
    seconds = figure(median(contest.values(name, "seconds")))
    return [contest.title, seconds, f"{mean(errors):.2%}", spread, str(len(errors))]

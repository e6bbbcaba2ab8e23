"""Counts of the outcomes, and their table in Markdown."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmarks.faults.workers import Case, Kind, Outcome
from benchmarks.report import markdown_table

GOOD = ("refused in one line", "accepted, right")
BAD = ("unclear message", "traceback", "wrong", "hang (> 30 s)", "over 2 GB", "lost", "executed")
MAX_EXAMPLES = 5


class Counts:
    """Outcomes by kind, and the first examples of each bad cell."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.examples: dict[tuple[str, str], list[tuple[Case, str]]] = {}

    def add(self, case: Case, outcomes: list[Outcome]) -> None:
        counter = self.counts.setdefault(case.kind, Counter())
        for cell, detail in outcomes:
            if cell in GOOD or cell in BAD:
                counter[cell] += 1
            examples = self.examples.setdefault((case.kind, cell), []) if cell in BAD else []
            if len(examples) < MAX_EXAMPLES:
                examples.append((case, detail))

    @property
    def bad(self) -> int:
        return sum(counter[cell] for counter in self.counts.values() for cell in BAD)

    def example_lines(self) -> list[str]:
        return [
            f"{cell}: --only {case.kind}:{case.number}  {' '.join(detail.split())[-200:]!a}"
            for (_, cell), examples in self.examples.items()
            for case, detail in examples
        ]

    def record(self, kinds: Mapping[str, Kind], seed: int) -> dict[str, Any]:
        """The counts by the title of the kind, and the examples with their tracebacks, for a JSON file."""
        examples = [
            {"case": f"{case.kind}:{case.number}", "cell": cell, "detail": detail}
            for (_, cell), cases in self.examples.items()
            for case, detail in cases
        ]
        counts = {kind.title: self.counts[name] for name, kind in kinds.items() if name in self.counts}
        return {"seed": seed, "counts": counts, "examples": examples}


def table_lines(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The table of the counts of a record."""
    rows = [
        [title, *(f"{number:,}" for number in (sum(counter.values()), *(counter.get(cell, 0) for cell in GOOD + BAD)))]
        for title, counter in counts.items()
    ]
    return markdown_table(["", "tried", *GOOD, *BAD], rows)

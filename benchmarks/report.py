"""Markdown tables of the measurements, and the update of docs/performance.md from the records."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.harness import PROJECT_NAME, Benchmark
from benchmarks.record import read_record

BLOCK = re.compile(r"(?<=<!-- )(?!end )(\w+) -->\n.*?(?=<!-- end -->)", re.DOTALL)


def replace_blocks(page: str, lines_of: Callable[[str], Sequence[str]]) -> str:
    """The page with the lines of each block `<!-- NAME -->` … `<!-- end -->` replaced by `lines_of(NAME)`."""
    return BLOCK.sub(lambda match: "\n".join([f"{match[1]} -->", "", *lines_of(match[1]), "", ""]), page)


def update_page(page: str, folder: Path) -> str:
    """Returns the page with each block `<!-- PART -->` … `<!-- end -->` rebuilt from the records of all machines in
    `folder`, one subfolder each."""

    def lines_of(part: str) -> list[str]:
        lines = []
        for path in sorted(folder.glob(f"*/{part}.json")):
            machine, benchmarks = read_record(part, path.parent)
            tables = [line for table in part_tables(part, benchmarks) for line in [*table, ""]]
            lines += [f"**{machine['name']}**", "", *tables, _source(part, machine), ""]
        return lines[:-1]

    return replace_blocks(page, lines_of)


def part_tables(part: str, benchmarks: list[Benchmark]) -> Iterator[list[str]]:
    """Yields the tables of one part as lines of Markdown."""
    if part in ("hardware", "layers"):
        quantities = list(benchmarks[0].rounds[benchmarks[0].title][0])
        yield markdown_table(
            [{"hardware": "network", "layers": "convolution"}[part], *quantities],
            [_median_row(benchmark) for benchmark in benchmarks],
        )
    elif part == "pareto":
        header = ["", "seconds", "test error", "lowest – highest", "runs"]
        yield markdown_table(header, [_error_row(benchmark) for benchmark in benchmarks])
    else:
        for benchmark in benchmarks:
            yield benchmark_table(benchmark)


def benchmark_table(benchmark: Benchmark) -> list[str]:
    """One row per program: medians, the range over the rounds, and the median of the ratios within a round."""
    quantities = next(iter(benchmark.rounds.values()), [{}])[0]
    # A name that ends in a digit is the value after one epoch, for the plots only.
    others = [name for name in quantities if name != benchmark.quantity and not name[-1].isdigit()]
    header = [benchmark.title, benchmark.quantity, "lowest – highest", *others]
    compare = PROJECT_NAME in benchmark.rounds and len(benchmark.rounds) > 1
    if compare:
        header.append(f"{PROJECT_NAME} is")
    rows = []
    for program in benchmark.rounds:
        values = benchmark.values(program)
        row = [program, format_number(median(values)), f"{format_number(min(values))} – {format_number(max(values))}"]
        row += [format_number(median(benchmark.values(program, other))) for other in others]
        if compare:
            row.append("" if program == PROJECT_NAME else f"**{median(benchmark.speedups(program)):.2f} ×**")
        rows.append(row)
    missing = [f"\nMissing: {program}, {reason}" for program, reason in benchmark.missing.items()]
    return [*markdown_table(header, rows), *missing]


def _median_row(benchmark: Benchmark) -> list[str]:
    """The medians of a benchmark with a single program."""
    [program] = benchmark.rounds
    quantities = benchmark.rounds[program][0]
    return [program, *(format_number(median(benchmark.values(program, quantity))) for quantity in quantities)]


def _error_row(benchmark: Benchmark) -> list[str]:
    if not benchmark.rounds:
        [reason] = benchmark.missing.values()
        return [benchmark.title, "missing", reason, "", ""]
    [program] = benchmark.rounds
    errors = benchmark.values(program, "error")
    spread = f"{min(errors):.2%} – {max(errors):.2%}" if len(errors) > 1 else ""
    seconds = format_number(median(benchmark.values(program, "seconds")))
    return [benchmark.title, seconds, f"{mean(errors):.2%}", spread, str(len(errors))]


def _source(part: str, machine: dict[str, Any]) -> str:
    commit = f" at {machine['git']['commit'][:7]}" if machine["git"] else ""
    command = f"`python -m benchmarks {part}`{commit}, {machine['date']}"
    restricted = " (restricted to AVX2)" if machine.get("restricted") else ""
    device = f"{machine['device']}{restricted}, {machine['precision']}"
    return f"{command}: {device}, {machine['digits']}. Peers: {machine['peers']}."


def format_number(value: float) -> str:
    """Three significant digits; all digits before the decimal point."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        return f"| {' | '.join([cells[0].ljust(widths[0]), *aligned[1:]])} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(header), line(rule), *map(line, rows)]

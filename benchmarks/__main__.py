"""Measures this project beside what people use instead, on this machine: `make bench`.

Results, tables and plots go to outputs/bench; all parts take about an hour and a half on two cores."""

import argparse
import sys
from pathlib import Path

from benchmarks.contest import say
from benchmarks.files import Files
from benchmarks.page import filled
from benchmarks.parts import PARTS, Options
from benchmarks.plots import plot_advantages, plot_growth, plot_pareto
from benchmarks.record import read_record, write_record
from digits.data.sources import mnist
from digits.errors import InputError

FOLDER = Path("outputs/bench")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--root", default="data", help="MNIST is in ROOT/MNIST/raw, or downloaded there (data)")
    parser.add_argument("--turns", type=int, default=5, help="of each contender (5)")
    parser.add_argument("--save", type=Path, default=FOLDER, help=f"folder for the results ({FOLDER})")
    parser.add_argument("--page", type=Path, help="a page like docs/performance.md whose tables are to be renewed")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        sys.exit(f"error: {', '.join(unknown)}: no such part; there are {', '.join(PARTS)}")
    root = str(Path(arguments.root).resolve())
    parts = arguments.parts or ([] if arguments.page else PARTS)
    try:
        if parts:
            mnist(root)  # downloaded and checked, before programs read it that do neither
    except InputError as error:
        sys.exit(f"error: {str(error).replace('data.root', '--root')}")
    options = Options(root, arguments.turns, Files(FOLDER, root))
    for name in parts:
        contests = []
        for contest in PARTS[name](options):
            say("\n".join(["", *contest.table(), ""]))
            contests.append(contest)
            write_record(name, contests, arguments.save)
    plot(arguments.save)
    if arguments.page:
        arguments.page.write_text(filled(arguments.page.read_text(), arguments.save))


def plot(folder: Path) -> None:
    """The plots of the parts that were measured."""
    measured = {part: read_record(part, folder)[1] for part in PARTS if (folder / f"{part}.json").exists()}
    if contests := [
        contest for part in ("training", "submission", "latency", "reading") for contest in measured.get(part, [])
    ]:
        plot_advantages(contests, folder / "advantages.png")
    if contests := [*measured.get("pareto", []), *measured.get("accuracy", [])[1:]]:
        plot_pareto(contests, folder / "pareto.png")
    if "growth" in measured:
        plot_growth(measured["growth"], folder / "growth.png")


if __name__ == "__main__":
    main()

"""Measures this project beside what people use instead, on this machine: `make bench`.

python -m benchmarks [PART …]      all parts, or some
"""

import argparse
import sys
from pathlib import Path

from benchmarks.contest import say
from benchmarks.files import Files
from benchmarks.parts import PARTS, Options
from benchmarks.record import write_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--root", default="data", help="MNIST is in ROOT/MNIST/raw, or downloaded there (data)")
    parser.add_argument("--turns", type=int, default=5, help="of each contender (5)")
    parser.add_argument(
        "--save", type=Path, default=Path("outputs/bench"), help="folder for the results (outputs/bench)"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        sys.exit(f"error: {', '.join(unknown)}: no such part; there are {', '.join(PARTS)}")
    options = Options(
        str(Path(arguments.root).resolve()), arguments.turns, Files(Path("outputs/bench"), arguments.root)
    )
    for name in arguments.parts or PARTS:
        contests = []
        for contest in PARTS[name](options):
            say("\n".join(["", *contest.table(), ""]))
            contests.append(contest)
            write_record(name, contests, arguments.save)


if __name__ == "__main__":
    main()

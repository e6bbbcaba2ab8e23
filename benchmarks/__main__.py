"""Measures this project beside what people use instead, on this machine: `make bench`.

Results and plots go to a folder for this machine in outputs/bench; all parts take about an hour and a half on two
cores."""

import argparse
import sys
from pathlib import Path

from benchmarks.cases import PARTS, Options
from benchmarks.files import Files
from benchmarks.plots import plot_all
from benchmarks.record import machine_folder, write_record
from benchmarks.report import benchmark_table, update_page
from digits.data.sources import mnist
from digits.errors import InputError

FOLDER = Path("outputs/bench")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--root", default="data", help="MNIST is in ROOT/MNIST/raw, or downloaded there (data)")
    parser.add_argument("--turns", type=int, default=5, help="rounds of each program (5)")
    parser.add_argument("--save", type=Path, default=FOLDER, help=f"gets a folder for this machine ({FOLDER})")
    parser.add_argument("--page", type=Path, help="update the tables of this page, such as docs/performance.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        sys.exit(f"error: unknown part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    root = str(Path(arguments.root).resolve())
    parts = arguments.parts or ([] if arguments.page else PARTS)
    try:
        if parts:
            mnist(root)  # downloads and verifies MNIST; the measured programs do neither
    except InputError as error:
        sys.exit(f"error: {str(error).replace('data.root', '--root')}")
    options, folder = Options(root, arguments.turns, Files(FOLDER, root)), machine_folder(arguments.save)
    for part in parts:
        benchmarks = []
        for benchmark in PARTS[part](options):
            print("\n".join(["", *benchmark_table(benchmark), ""]), flush=True)
            benchmarks.append(benchmark)
            write_record(part, benchmarks, folder)
    plot_all(folder)
    if arguments.page:
        arguments.page.write_text(update_page(arguments.page.read_text(), arguments.save))


if __name__ == "__main__":
    main()

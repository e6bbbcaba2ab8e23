"""Rebuilds, joins and compares the tables of studies from the metrics.json of their runs: `python -m digits.report`."""

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.errors import InputError
from digits.files import atomic_write
from digits.studies.comparison import compare
from digits.studies.leaderboard import Leaderboard, read_results


def write_leaderboard(board: Leaderboard, folder: Path, beside: Sequence[dict[str, str]] = ()) -> None:
    """Writes leaderboard.csv, leaderboard.md and leaderboard.png, each whole or not at all.

    Raises InputError if they cannot be written."""
    from digits.studies.plots import plot_leaderboard  # only here: Matplotlib takes half a second

    for name, content in (("leaderboard.csv", board.csv()), ("leaderboard.md", board.markdown(beside))):
        with atomic_write(folder / name) as part:
            part.write_text(content)
    with atomic_write(folder / "leaderboard.png") as part:
        plot_leaderboard(board, part)


def write_curves(board: Leaderboard, folder: Path) -> None:
    """Writes curves.png. Raises InputError if it cannot be written."""
    from digits.studies.plots import plot_learning_curves

    with atomic_write(folder / "curves.png") as part:
        plot_learning_curves(board, part)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m digits.report",
        description="Prints the table of a study, and rebuilds its leaderboard.csv, .md and .png and its curves.png, "
        "from the metrics.json (for the curves history.csv) of its runs. Several folders are joined into one table.",
    )
    parser.add_argument("folder", nargs="+", type=Path, help="of a study, or of a run")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="where to write: the study's own folder, or of several folders nowhere",
    )
    parser.add_argument("--title", help="of the table and the pictures; by default the names of the folders")
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="instead, whether A beats B by a paired test over seeds: --compare optimizer=adam optimizer=adadelta; "
        "A and B may name several settings, a=x,b=y",
    )
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="FILE.csv",
        help="columns to add to the rows that agree with it in the columns that both have",
    )
    options = parser.parse_args(arguments)
    try:
        _report(options)
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (InputError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")


def _report(options: argparse.Namespace) -> None:
    results, faults = read_results(options.folder)
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    if not results:
        where = ", ".join(map(str, options.folder))
        raise InputError(f"{where}: no run has left a metrics.json there" + (" that can be read" if faults else ""))
    title = options.title or " + ".join(folder.resolve().name for folder in options.folder)
    board = Leaderboard(title, results, faults)
    if options.compare:
        print(compare(board, *options.compare))
        return
    beside = read_beside(options.beside, board.columns) if options.beside else []
    save = options.save or (options.folder[0] if len(options.folder) == 1 else None)
    if save:
        save.mkdir(parents=True, exist_ok=True)
        write_leaderboard(board, save, beside)
        write_curves(board, save)
    print(board.markdown(beside), end="")


def read_beside(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file that is to stand beside a table with these columns. Raises InputError if it cannot."""
    try:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file that can be read") from error
    if not set(header) & set(columns):
        there = ", ".join(columns) or "none, because nothing varies"
        raise InputError(f"{path}, row 1: names no column of the table; those are {there}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: {len(row)} values under {len(header)} names")
    return [dict(zip(header, row, strict=True)) for row in rows]


if __name__ == "__main__":
    main()

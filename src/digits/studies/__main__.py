"""`python -m digits.studies`: prints, rebuilds, joins and compares the tables of studies."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.errors import InputError, one_line
from digits.files import discard_output
from digits.installation import needs
from digits.studies.comparison import compare
from digits.studies.leaderboard import Leaderboard
from digits.studies.report import read_extra_columns, write_curves, write_digits, write_leaderboard
from digits.studies.results import read_results


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        with needs("python -m digits.studies", "pandas and matplotlib"):
            _report(options)
    except BrokenPipeError:  # the reader closed the pipe
        discard_output(sys.stdout)
    except (InputError, OSError) as error:
        sys.exit(one_line(f"error: {error}"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m digits.studies",
        description="Prints the table of a study and rebuilds its leaderboard.csv, .md and .png and its curves.png "
        "from the metrics.json and history.csv of its runs; from their saved predictions the files on single digits. "
        "Several folders are joined into one table.",
    )
    add = parser.add_argument
    add("folder", nargs="+", type=Path, help="a study or a run")
    add("--save", type=Path, metavar="FOLDER", help="for the files; default: the study's folder, none for several")
    add("--title", help="of the table and the pictures; default: the names of the folders")
    pair = "--compare optimizer=adam optimizer=adadelta; A and B may have several settings, a=x,b=y"
    add("--compare", nargs=2, metavar=("A", "B"), help=f"only compare A with B, over seeds and digit by digit: {pair}")
    join = "joins the table with the rows of FILE.csv that have equal values in the columns of both"
    add("--beside", type=Path, metavar="FILE.csv", help=f"adds columns: {join}")
    return parser


def _report(options: argparse.Namespace) -> None:
    results, unreadable = read_results(options.folder)
    for line in unreadable:
        print(f"left out: {line}", file=sys.stderr)
    if not results:
        folders = ", ".join(map(str, options.folder))
        missing = "readable metrics.json" if unreadable else "metrics.json"
        raise InputError(f"{folders}: no {missing} of a run in or below it")
    title = options.title or " + ".join(folder.resolve().name for folder in options.folder)
    board = Leaderboard(title, results, unreadable)
    if options.compare:
        print(compare(board, *options.compare))
        return
    extra_columns = read_extra_columns(options.beside, board.keys) if options.beside else []
    folder = options.save
    if folder is None and len(options.folder) == 1:
        [folder] = options.folder
    if folder is None:
        print(board.markdown(extra_columns), end="")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_leaderboard(board, folder, extra_columns)
    write_curves(board, folder)
    print(board.markdown(extra_columns), end="")
    for line in write_digits(board, folder):
        print(line, file=sys.stderr)


if __name__ == "__main__":
    main()

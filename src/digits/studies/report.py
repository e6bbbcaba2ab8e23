"""The files of a leaderboard in a study's folder."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

from digits.errors import InputError
from digits.files import atomic_write
from digits.studies.columns import ExtraColumns
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import RunResult, natural_key, read_results

log = logging.getLogger(__name__)


def write_leaderboard(board: Leaderboard, folder: Path, extra_columns: ExtraColumns = (), plot: bool = True) -> None:
    """Writes leaderboard.csv and leaderboard.md, and leaderboard.png if `plot` is true.

    Raises InputError if they cannot be written."""
    with atomic_write(folder / "leaderboard.csv") as path:
        path.write_text(board.csv())
    with atomic_write(folder / "leaderboard.md") as path:
        path.write_text(board.markdown(extra_columns))
    if plot:
        from digits.studies.plots import plot_leaderboard  # imported late: Matplotlib takes half a second

        with atomic_write(folder / "leaderboard.png") as path:
            plot_leaderboard(board, path)


def write_curves(board: Leaderboard, folder: Path) -> None:
    """Writes curves.png. Raises InputError if it cannot be written."""
    from digits.studies.plots import plot_learning_curves

    with atomic_write(folder / "curves.png") as path:
        plot_learning_curves(board, path)


def write_digits(board: Leaderboard, folder: Path) -> list[str]:
    """Writes the files on single digits, if the runs have saved their predictions (see `write_folds` and
    `write_frequent_mistakes`). Returns one line for each group of files.

    Raises InputError if predictions are damaged or inconsistent, or a file cannot be written."""
    from digits.studies.folds import write_folds  # imported late: pandas takes half a second
    from digits.studies.frequent_mistakes import write_frequent_mistakes

    lines = [write_folds(board, folder), write_frequent_mistakes(board, folder)]
    return [line for line in lines if line is not None]


class LiveLeaderboard:
    """The leaderboard of a running study. Other runs in the folder are read only once, at the first update. With many
    runs it rewrites the tables only after every 2 % and the plot after every 20 % more runs, so that the total cost
    is linear in their number."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[Path, RunResult] = {}
        """the runs that have ended, by their folder: they are not read again"""
        self._results: dict[Path, RunResult] = {}
        self._ended = 0
        self._next_tables = 0.0
        self._next_plot = 0.0
        self._warned = False

    def update(self, result: RunResult) -> None:
        """Adds a run that has ended. If the files cannot be written, logs one warning."""
        self.known[result.folder] = result
        if not self._results:
            others, _ = read_results([self.folder], self.known)
            self._results = {other.folder: other for other in others}
        self._results[result.folder] = result
        self._ended += 1
        if self._ended < self._next_tables:
            return
        plot = self._ended >= self._next_plot
        self._next_tables = self._ended + 0.02 * len(self._results)
        if plot:
            self._next_plot = self._ended + 0.2 * len(self._results)
        try:
            write_leaderboard(self._board(), self.folder, plot=plot)
        except InputError as error:
            if not self._warned:
                log.warning(str(error))
            self._warned = True

    def finish(self) -> Leaderboard:
        """Writes all files from all runs in the folder. Raises InputError if they cannot be written."""
        results, unreadable = read_results([self.folder], self.known)
        board = Leaderboard(self.folder.name, results, unreadable)
        write_leaderboard(board, self.folder)
        write_curves(board, self.folder)
        return board

    def _board(self) -> Leaderboard:
        results = sorted(self._results.values(), key=lambda result: natural_key(str(result.folder)))
        return Leaderboard(self.folder.name, results)


def read_extra_columns(path: Path, keys: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file that has at least one of these columns. Raises InputError for any other file."""
    try:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file") from error
    if not set(header) & set(keys):
        raise InputError(f"{path}, row 1: no column of the table; the columns are {', '.join(keys) or 'none'}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: {len(row)} values for {len(header)} columns")
    return [dict(zip(header, row, strict=True)) for row in rows]

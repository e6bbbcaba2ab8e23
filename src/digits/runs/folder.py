"""The folder of a run: its layout, its lock, and how far the run in it has come."""

import csv
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from digits.errors import InputError
from digits.files import remove_partial_files
from digits.runs.fingerprint import fingerprint
from digits.runs.metrics_file import RunMetrics, read_metrics

State = Literal["new", "running", "resumable", "failed", "ended"]


class RunFolder:
    """`outputs/<name>/`: metrics.json, history.csv, mistakes.csv, checkpoints/, plots/ and a lock file; with
    cross-validation also out_of_fold.csv, in a search that prunes also earlier_trials.json, with W&B or MLflow also
    logger_runs.json."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.metrics_path = self.path / "metrics.json"
        self.history_path = self.path / "history.csv"
        self.mistakes_path = self.path / "mistakes.csv"
        self.out_of_fold_path = self.path / "out_of_fold.csv"
        self.earlier_trials_path = self.path / "earlier_trials.json"
        self.logger_runs_path = self.path / "logger_runs.json"
        self.checkpoints = self.path / "checkpoints"
        self.last_checkpoint = self.checkpoints / "last.ckpt"
        self.plots = self.path / "plots"

    def metrics(self) -> RunMetrics | None:
        """The content of metrics.json; None if there is none that can be read."""
        try:
            return read_metrics(self.metrics_path)
        except InputError:
            return None

    def state(self, config: Mapping[str, Any]) -> State:
        """How far a run with this resolved configuration has come. A run is `running` while a process holds the lock,
        `resumable` if it ended early with a checkpoint of the same settings and code, and `ended` if it is completed or
        pruned."""
        metrics = self.metrics()
        if metrics and metrics.ended:
            return "ended"
        if self.is_locked():
            return "running"
        if self.resumable_checkpoint(metrics, config):
            return "resumable"
        return "failed" if metrics else "new"

    def resumable_checkpoint(
        self, metrics: RunMetrics | None, config: Mapping[str, Any], precision: str | None = None
    ) -> Path | None:
        """The last complete epoch, if the run with these metrics is unfinished and has the same settings and code.
        `precision` is the resolved one of this machine; None accepts the precision of the run."""
        if metrics is None or metrics.ended or not self.last_checkpoint.is_file():
            return None
        is_same = metrics.fingerprint == fingerprint(config, precision or metrics.precision)
        return self.last_checkpoint if is_same else None

    def scored_checkpoint(self) -> Path | None:
        """The checkpoint that metrics.json names, or else the last epoch's. None if the file does not exist."""
        metrics = self.metrics()
        path = self.last_checkpoint
        if metrics and metrics.checkpoint:
            path = self.path / metrics.checkpoint
        return path if os.path.isfile(path) else None

    def validation_errors(self) -> list[float | None]:
        """The validation error of each epoch, None for one that was not validated; empty if history.csv cannot be read
        or has none."""
        try:
            with self.history_path.open(newline="") as file:
                return [_parse_error(row["val/error"]) for row in csv.DictReader(file)]
        except (OSError, ValueError, TypeError, KeyError, csv.Error):
            return []

    def require_not_completed(self, metrics: RunMetrics | None) -> None:
        """Raises InputError if the run with these metrics is completed or pruned."""
        if metrics and metrics.ended:
            raise InputError(f"{self.path} holds a finished run; choose another name=…, or remove that folder")

    def require_no_other_run(self, metrics: RunMetrics | None) -> None:
        """Raises InputError if a run is in the folder, with these metrics, unless debug=true wrote it."""
        is_used = self.metrics_path.exists() or self.last_checkpoint.exists()
        is_debug = metrics is not None and metrics.is_debug
        if is_used and not is_debug:
            raise InputError(f"{self.path} holds another run; rename or remove that folder")

    def remove_run(self) -> None:
        """Removes the files of the run in the folder."""
        for path in (self.checkpoints, self.plots, self.path / "tensorboard", self.path / "wandb"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.history_path, self.mistakes_path, self.out_of_fold_path, self.metrics_path):
            path.unlink(missing_ok=True)  # metrics.json last: it shows that debug=true wrote the rest

    def remove_partial_files(self) -> None:
        """Removes partial files of a killed process. Call it while this process holds the lock."""
        remove_partial_files(self.path, "*")
        remove_partial_files(self.checkpoints, "*.ckpt")

    def is_locked(self) -> bool:
        """Whether a process is training in the folder."""
        if not self.path.is_dir():
            return False
        try:
            with folder_lock(self.path, ""):
                return False
        except InputError:
            return True


def _parse_error(cell: str) -> float | None:
    return None if cell == "" else float(cell)


def errors_by_epoch(errors: Iterable[float | None]) -> dict[int, float]:
    """The errors of the epochs that were validated, by epoch, from a list that begins with epoch 1."""
    return {epoch: float(error) for epoch, error in enumerate(errors, 1) if error is not None}


@contextmanager
def folder_lock(folder: Path, message: str) -> Iterator[None]:
    """Locks a folder for this process. The operating system releases the lock when the process dies.

    Raises InputError with the message if another process holds the lock."""
    from filelock import FileLock, Timeout  # imported late: --help needs no lock

    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise InputError(message) from error

"""The runs of MLflow: their database or server, and the end of a run whose process was killed.

`python -m digits.training.mlflow_runs` is the process that waits for that end.
"""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits.errors import InputError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DEFAULT_URI = "sqlite:///outputs/mlflow.db"
SQLITE = "sqlite:///"
LOCK_TIMEOUT_S = 120  # the first use of a database creates its tables, which takes seconds
# Of one request. MLflow's own are 7 retries and 120 seconds: 4 minutes until it reports a server that is away.
REQUEST_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
STATUSES = {"completed": "FINISHED", "pruned": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
FINISHED = "finished\n"


class MLflowServer:
    """A tracking server or a database, with an experiment. Imports MLflow late: it is an extra and takes seconds."""

    def __init__(self, settings: Mapping[str, Any], start_folder: Path) -> None:
        self.uri = tracking_uri(settings.get("tracking_uri"), start_folder)
        self.experiment_name = str(settings.get("experiment_name") or "digits")
        self.artifact_location = settings.get("artifact_location")
        self.watcher: subprocess.Popen[str] | None = None

    def prepare(self) -> None:
        """Makes the tables of a new database and the experiment, unless they exist. Several runs may start at once: one
        process makes a database, and the first one makes the experiment.

        Raises InputError for a deleted experiment, and the exceptions of MLflow."""
        from mlflow.exceptions import MlflowException

        with self._database_lock(), _limited_requests(), _quiet():
            client = self._client()
            experiment = client.get_experiment_by_name(self.experiment_name)
            if experiment is None:
                try:
                    client.create_experiment(self.experiment_name, self.artifact_location)
                except MlflowException:
                    if client.get_experiment_by_name(self.experiment_name) is None:
                        raise
            elif experiment.lifecycle_stage == "deleted":
                raise InputError(
                    f"logger.experiment_name={self.experiment_name}: this experiment of MLflow is deleted; restore it "
                    f"with mlflow experiments restore -x {experiment.experiment_id}, or choose another name"
                )

    def has_run(self, run_id: str) -> bool:
        """Whether a run can be continued: it exists and is not deleted."""
        from mlflow.exceptions import MlflowException

        with _limited_requests(), _quiet():
            try:
                lifecycle: str = self._client().get_run(run_id).info.lifecycle_stage
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return False
                raise
        return lifecycle == "active"

    def end_if_running(self, run_id: str) -> None:
        """Marks a run as KILLED if MLflow still lists it as RUNNING."""
        if self.has_run(run_id) and self._client().get_run(run_id).info.status == "RUNNING":
            end_killed(self._client(), run_id)

    def continue_run(self, run_id: str) -> None:
        """Marks an ended run as running, without the outcome of its earlier part."""
        client = self._client()
        client.update_run(run_id, status="RUNNING")
        for tag in {"outcome", "reason"} & client.get_run(run_id).data.tags.keys():
            client.delete_tag(run_id, tag)

    def watch(self, run_id: str) -> None:
        """Starts a process that ends the run if this process is killed. It outlives this process, and Ctrl-C does not
        reach it. The address of a server may contain a password: it is no argument, which others could read."""
        self.watcher = subprocess.Popen(
            [sys.executable, "-P", "-m", "digits.training.mlflow_runs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": _import_path()},
            start_new_session=True,
        )
        assert self.watcher.stdin is not None
        self.watcher.stdin.write(f"{json.dumps([self.uri, run_id])}\n")
        self.watcher.stdin.flush()

    def finish(self, run_id: str, status: str, reason: str | None, finalize: Callable[[str], None]) -> None:
        """Ends a run with the status of metrics.json. `finalize` sets the status of MLflow."""
        try:
            with _limited_requests(), _quiet():
                self._client().set_tag(run_id, "outcome", status)
                if reason is not None:
                    self._client().set_tag(run_id, "reason", reason)
                finalize(STATUSES[status])
        finally:
            self._end_watcher()

    @contextmanager
    def keep_environment(self) -> Iterator[None]:
        """Restores the address in the environment. MLflow exports the one that it uses, which the next run of this
        process would take for the user's."""
        before = os.environ.get("MLFLOW_TRACKING_URI")
        try:
            with _quiet():
                yield
        finally:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
            if before is not None:
                os.environ["MLFLOW_TRACKING_URI"] = before

    def _client(self) -> "MlflowClient":
        from mlflow.tracking import MlflowClient

        return MlflowClient(self.uri)

    @contextmanager
    def _database_lock(self) -> Iterator[None]:
        """Locks the file of a database, and makes its folder. A server needs no lock."""
        from filelock import FileLock, Timeout

        path = _database_path(self.uri)
        if path is None:
            yield
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_TIMEOUT_S)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(f"{path}: another process has opened this database for {LOCK_TIMEOUT_S} s") from None
        try:
            yield
        finally:
            lock.release()

    def _end_watcher(self) -> None:
        if self.watcher and self.watcher.stdin:
            with suppress(OSError):  # someone killed it
                self.watcher.stdin.write(FINISHED)
                self.watcher.stdin.close()
            self.watcher.wait()


def tracking_uri(setting: str | None, start_folder: Path) -> str:
    """The address of the database or server: `logger.tracking_uri`, MLFLOW_TRACKING_URI, or a file in outputs/. The
    path of a SQLite database is relative to the folder in which the command was given. The returned one is absolute:
    MLflow keeps a database open for the rest of the process, under its address."""
    uri = setting or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    path = _database_path(uri)
    if path is None or path.is_absolute():
        return uri
    return f"{SQLITE}{(start_folder.resolve() / uri.removeprefix(SQLITE)).as_posix()}"


def _database_path(uri: str) -> Path | None:
    """The file of a SQLite database; None for a database in memory and for a server."""
    path = uri.removeprefix(SQLITE).partition("?")[0]
    if not uri.startswith(SQLITE) or path in ("", ":memory:"):
        return None
    return Path(path)


def describe_mlflow_error(error: BaseException | None) -> str:
    """The cause of a failed connection, or the message of MLflow, without the password in an address."""
    reason, cause = str(error), error
    while cause is not None:
        if isinstance(cause, ConnectionError | TimeoutError) and cause.errno is not None:
            reason = str(cause)
        cause = cause.__cause__ or cause.__context__
    reason = re.sub("//[^/@ ]*@", "//", " ".join(reason.split()))
    return f"MLflow: {reason} (logger.tracking_uri or MLFLOW_TRACKING_URI is its database or server)"


@contextmanager
def _limited_requests() -> Iterator[None]:
    """Gives up on a server that does not answer after seconds, unless the user has set how long to wait."""
    added = {name: value for name, value in REQUEST_LIMITS.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides what MLflow logs about the tables that it makes and about each retry."""
    former_levels = {}
    for name in ("alembic", "mlflow", "urllib3", "lightning.pytorch.loggers"):
        logger = logging.getLogger(name)
        former_levels[logger] = logger.level
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in former_levels.items():
            logger.setLevel(level)


def _import_path() -> str:
    """PYTHONPATH of a process that finds this package, wherever this one has found it."""
    package_parent = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH", "")]))


def wait_for_end() -> None:
    """Reads the address and the id of a run from standard input. If the input then ends without a line, its process
    was killed, and the run gets the status KILLED."""
    first = sys.stdin.readline()
    if not first or sys.stdin.readline() == FINISHED:
        return
    from mlflow.tracking import MlflowClient

    uri, run_id = json.loads(first)
    with _limited_requests():
        end_killed(MlflowClient(uri), run_id)


def end_killed(client: "MlflowClient", run_id: str) -> None:
    """Ends a run whose process was killed."""
    client.set_tag(run_id, "outcome", "killed")
    client.set_terminated(run_id, "KILLED")


if __name__ == "__main__":
    wait_for_end()

"""A run whose end is recorded: metrics.json is written however it ends."""

import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from digits.errors import InputError
from digits.processes import LostProcessError, is_rank_zero
from digits.runs.folder import RunFolder, folder_lock
from digits.runs.job import TrainingJob
from digits.runs.metrics_file import RunMetrics, write_metrics

log = logging.getLogger(__name__)


class RecordedRun:
    """The job of a run, its folder, and its metrics. The run fills the metrics step by step, so that a run that ends
    early still records what is known. Of several processes, the first one writes."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        self.folder = RunFolder(job.folder)
        self.metrics = RunMetrics(
            status="failed",  # until outcome() knows better
            seed=job.config.get("seed"),
            overrides=list(job.overrides),
            choices=dict(job.choices),
            config=dict(job.config),
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises InputError if another process is training in the folder."""
        if not is_rank_zero():
            yield
            return
        with folder_lock(self.folder.path, f"another process is training in {self.folder.path}"):
            yield

    def prepare_folder(self) -> RunMetrics | None:
        """Returns the metrics of an earlier attempt. With debug=true, removes it.

        Raises InputError if the folder holds a run that must be kept."""
        earlier = self.folder.metrics()
        if self.job.is_debug and is_rank_zero():
            self.folder.require_no_other_run(earlier)
            self.folder.remove_run()
            earlier = None
        elif not self.job.is_debug:
            self.folder.require_not_completed(earlier)
        if is_rank_zero():
            self.folder.remove_partial_files()
        return earlier

    def save_as_running(self) -> None:
        """A later resume reads it if this process is killed."""
        self._save(replace(self.metrics, status="running"))

    @contextmanager
    def outcome(self) -> Iterator[None]:
        """Sets the status and the reason in the metrics, and writes metrics.json, however the block ends.

        Raises SystemExit after an interruption, InputError after the loss of a process, and the other exceptions of the
        block."""
        metrics = self.metrics
        try:
            yield
            metrics.status = "completed" if metrics.reason is None else "pruned"
        except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
            metrics.status = "interrupted"
            if not self.job.in_sweep and is_rank_zero():
                log.info(f"interrupted {self._resume_hint()}")
            raise SystemExit(1) from None
        except LostProcessError as error:
            metrics.reason = f"{error} {self._resume_hint()}"
            raise InputError(metrics.reason) from None
        except Exception as error:
            metrics.reason = str(error) or type(error).__name__
            traceback.clear_frames(error.__traceback__)  # Hydra keeps the error: it must not keep the model alive
            raise
        finally:
            self._save(metrics)

    def _save(self, metrics: RunMetrics) -> None:
        if is_rank_zero():
            write_metrics(metrics, self.folder.metrics_path)

    def _resume_hint(self) -> str:
        """The number of epochs after which the run has ended, and the setting that continues it."""
        if self.metrics.checkpoint is None:
            return "before the end of the first epoch; there is nothing to resume"
        resume = os.path.relpath(self.folder.last_checkpoint)
        return f"after {self.metrics.epochs} complete epochs; to continue, add resume={resume} to the command"

"""How an interrupted run continues: from which checkpoint, and which settings may change."""

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from digits.compat import rename_states
from digits.errors import InputError
from digits.private_apis.lightning import monitored_folders
from digits.processes import is_rank_zero
from digits.runs.checkpoint import read_checkpoint
from digits.runs.fingerprint import RESULT_NEUTRAL_KEYS, all_settings
from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics
from digits.runs.recorded_run import RecordedRun
from digits.settings import TrainSettings
from digits.training.checkpoints import RunCheckpoint

log = logging.getLogger(__name__)

CHANGEABLE_ON_RESUME = (
    *RESULT_NEUTRAL_KEYS,
    "trainer.callbacks",
    "data.train_csv",
    "data.train",
    "precise_bn",
    "test",
    "weights",
)
NAMES_OF_A_RUN = ("name", "study", "resume")


class ResumePoint(NamedTuple):
    """The checkpoint from which a run continues, verified and loaded."""

    path: Path
    checkpoint: dict[str, Any]

    @property
    def absolute_path(self) -> str:
        """For Lightning: a file could have the name of one of its keywords, such as last."""
        return os.path.abspath(self.path)


def find_resume_point(run: RecordedRun, settings: TrainSettings, earlier: RunMetrics | None) -> ResumePoint | None:
    """The checkpoint from which a run continues: `resume`, or in a sweep that of an earlier attempt with the metrics
    `earlier`, after the same command or a requeue by a cluster. None for a new run. Verifies the checkpoint, the only
    time in a run, and copies it into the folder of the run.

    Raises InputError if the run cannot continue from the checkpoint with these settings."""
    resume = None
    if run.job.in_sweep:
        resume = _sweep_resume_point(run, settings, earlier)
    elif settings.resume is not None:
        resume = _read_resume_point(settings.resume)
    if resume is not None:
        _check_changes(resume, settings, run.folder)
        _copy_checkpoint(resume, run.folder)
    return resume


def _sweep_resume_point(run: RecordedRun, settings: TrainSettings, earlier: RunMetrics | None) -> ResumePoint | None:
    """None if the job starts again; the checkpoints of the earlier attempt are then removed."""
    last = run.folder.resumable_checkpoint(earlier, settings.config, run.metrics.precision)
    if last is not None:
        try:
            return _read_resume_point(last)
        except InputError as error:
            log.warning(f"{error}; the job starts again")
    shutil.rmtree(run.folder.checkpoints, ignore_errors=True)
    return None


def _read_resume_point(path: str | Path) -> ResumePoint:
    """Raises InputError as `read_checkpoint` does, and for a checkpoint without the state of a training."""
    checkpoint = read_checkpoint(path)
    rename_states(checkpoint)
    has_epoch = type(checkpoint.get("epoch")) is int
    has_states = isinstance(checkpoint.get("callbacks"), dict) and isinstance(checkpoint.get("loops"), dict)
    if not has_epoch or not has_states:
        raise InputError(f"{path}: holds weights, but not the state of a training")
    return ResumePoint(Path(path), checkpoint)


def _check_changes(resume: ResumePoint, settings: TrainSettings, run: RunFolder) -> None:
    """Raises InputError if the weights, the optimizer's state or the schedule depend on a setting that has changed."""
    for change in _allowed_changes(resume, settings):
        log.warning(f"resumed with another setting: {change}")
    if settings.weights == "best":
        _require_best_epoch(resume, run)


def _copy_checkpoint(resume: ResumePoint, run: RunFolder) -> None:
    """A run that is resumed in another folder has its last complete epoch there from the start."""
    is_there = os.path.realpath(resume.path) == os.path.realpath(run.last_checkpoint)
    if is_rank_zero() and not is_there:
        run.checkpoints.mkdir(exist_ok=True)
        shutil.copyfile(resume.path, run.last_checkpoint)


def _allowed_changes(resume: ResumePoint, settings: TrainSettings) -> list[str]:
    """The changed settings that do not affect the training, as `key was old, now new`."""
    changes = _changes(resume.checkpoint["digits"]["config"], settings.config)
    allowed, blocking = [], []
    for key, change in changes.items():
        # A schedule depends on the number of epochs. Without one, epochs can be added.
        adds_epochs = key == "trainer.max_epochs" and settings.trainer.max_epochs > resume.checkpoint["epoch"] + 1
        can_add_epochs = adds_epochs and settings.schedule is None
        if key.startswith(CHANGEABLE_ON_RESUME) or can_add_epochs:
            allowed.append(change)
        else:
            blocking.append(change)
    if blocking:
        raise InputError(
            f"{resume.path} was trained with other settings: {'; '.join(blocking)}. Resume with the same settings"
        )
    return allowed


def _changes(old_config: Mapping[str, Any], new_config: Mapping[str, Any]) -> dict[str, str]:
    """The changed settings by key, as `key was old, now new`."""
    old, new = all_settings(old_config), all_settings(new_config)
    changes = {}
    for key in sorted(old.keys() | new.keys()):
        if key not in NAMES_OF_A_RUN and old.get(key) != new.get(key):
            changes[key] = f"{key} was {old.get(key)}, now {new.get(key)}"
    return changes


def _require_best_epoch(resume: ResumePoint, run: RunFolder) -> None:
    """Raises InputError unless the run's folder has the best epoch so far: in another folder Lightning forgets it and
    takes the first resumed epoch for the best."""
    best = RunCheckpoint(run.checkpoints, "best").state_key
    state = resume.checkpoint["callbacks"].get(best)
    for folder in monitored_folders({best: state}, "val/error"):
        if os.path.realpath(folder) == os.path.realpath(run.checkpoints):
            return
    raise InputError(
        "weights=best compares all epochs: resume only a run that started with weights=best, in its own folder, "
        f"unlike {resume.path}"
    )

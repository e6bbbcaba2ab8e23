"""How an interrupted run continues: from which checkpoint, and which settings may change."""

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from digits.errors import InputError
from digits.private_apis import monitored_folders
from digits.runs.checkpoint import read_checkpoint
from digits.runs.fingerprint import RESULT_NEUTRAL_KEYS, all_settings
from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics
from digits.training.callbacks import RunCheckpoint, rename_states

log = logging.getLogger(__name__)

CHANGEABLE_ON_RESUME = (*RESULT_NEUTRAL_KEYS, "trainer.callbacks", "data.train_csv", "precise_bn", "test", "weights")


def prepare_resume(checkpoint: str, config: Mapping[str, Any], run: RunFolder) -> None:
    """Checks that the run can continue from the checkpoint with this configuration, and copies it into its folder.

    Raises InputError if the weights, the optimizer's state or the schedule depend on a setting that has changed."""
    content = read_checkpoint(checkpoint)
    rename_states(content)
    states, loops = content.get("callbacks"), content.get("loops")
    if type(content.get("epoch")) is not int or not isinstance(states, dict) or not isinstance(loops, dict):
        raise InputError(f"{checkpoint}: holds weights, but not the state of a training")
    for change in _allowed_changes(checkpoint, content, config):
        log.warning(f"resumed with another setting: {change}")
    if config["weights"] == "best":
        _require_best_epoch(checkpoint, states, run)
    _copy_checkpoint(Path(checkpoint), run.last_checkpoint)


def _allowed_changes(path: str, checkpoint: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """The changed settings that do not affect the training, as `key was old, now new`."""
    old, new = all_settings(checkpoint["digits"]["config"]), all_settings(config)
    changes = {
        key: f"{key} was {old.get(key)}, now {new.get(key)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key not in ("name", "study", "resume")
    }
    allowed = [key for key in changes if key.startswith(CHANGEABLE_ON_RESUME)]
    # A schedule depends on the number of epochs. Without one, epochs can be added.
    if config["schedule"] is None and new["trainer.max_epochs"] > checkpoint["epoch"] + 1:
        allowed += [key for key in changes if key == "trainer.max_epochs"]
    if blocking := [change for key, change in changes.items() if key not in allowed]:
        raise InputError(
            f"{path} was trained with other settings: {'; '.join(blocking)}. Resume with the same settings"
        )
    return [changes[key] for key in allowed]


def _require_best_epoch(path: str, states: Mapping[str, Any], run: RunFolder) -> None:
    """Raises InputError unless the run's folder has the best epoch so far: in another folder Lightning forgets it and
    takes the first resumed epoch for the best."""
    best = RunCheckpoint(run.checkpoints, "best").state_key
    for folder in monitored_folders({best: states.get(best)}, "val/error"):
        if os.path.realpath(folder) == os.path.realpath(run.checkpoints):
            return
    raise InputError(
        "weights=best compares all epochs: resume only a run that started with weights=best, in its own folder, "
        f"unlike {path}"
    )


@rank_zero_only
def _copy_checkpoint(checkpoint: Path, last: Path) -> None:
    """A run that is resumed in another folder has its last complete epoch there from the start."""
    if os.path.realpath(checkpoint) != os.path.realpath(last):
        last.parent.mkdir(exist_ok=True)
        shutil.copyfile(checkpoint, last)


def sweep_resume_point(run: RunFolder, config: Mapping[str, Any], precision: str) -> str | None:
    """The checkpoint from which a job of a sweep continues, after the same command or a requeue by a cluster. None if
    the job starts again; the checkpoints of the earlier attempt are then removed."""
    if last := run.resumable_checkpoint(config, precision):
        try:
            read_checkpoint(last)
            return str(last)
        except InputError as error:
            log.warning(f"{error}; the job starts again")
    _remove_checkpoints(run)
    return None


@rank_zero_only
def _remove_checkpoints(run: RunFolder) -> None:
    shutil.rmtree(run.checkpoints, ignore_errors=True)


def resume_hint(metrics: RunMetrics, run: RunFolder) -> str:
    """The number of epochs after which a run has ended, and the setting that continues it."""
    if metrics.checkpoint is None:
        return "before the end of the first epoch; there is nothing to resume"
    resume = os.path.relpath(run.last_checkpoint)
    return f"after {metrics.epochs} complete epochs; to continue, add resume={resume} to the command"

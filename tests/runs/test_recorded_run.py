"""The end of a run is recorded in metrics.json, however it ends."""

from pathlib import Path
from typing import Any

import pytest
from helpers import read_metrics_json

from digits.errors import InputError
from digits.processes import LostProcessError
from digits.runs.folder import folder_lock
from digits.runs.job import TrainingJob
from digits.runs.metrics_file import RunMetrics, write_metrics
from digits.runs.recorded_run import RecordedRun


def make_run(folder: Path, **config: Any) -> RecordedRun:
    return RecordedRun(TrainingJob({"seed": 3, **config}, folder, overrides=["seed=3"]))


@pytest.mark.parametrize(("error", "raised", "status", "reason"), [
    (None, None, "completed", None),
    (InputError("a typo"), InputError, "failed", "a typo"),
    (ZeroDivisionError(), ZeroDivisionError, "failed", "ZeroDivisionError"),
    (KeyboardInterrupt(), SystemExit, "interrupted", None),
    (LostProcessError("rank 1 was killed"), InputError, "failed",
     "rank 1 was killed before the end of the first epoch; there is nothing to resume"),
])  # fmt: skip
def test_outcome_is_recorded(
    tmp_path: Path,
    error: BaseException | None,
    raised: type[BaseException] | None,
    status: str,
    reason: str | None,
) -> None:
    run = make_run(tmp_path)
    if raised is None:
        with run.outcome():
            pass
    else:
        with pytest.raises(raised), run.outcome():
            raise error  # type: ignore[misc]
    metrics = read_metrics_json(tmp_path)
    assert (metrics["status"], metrics.get("reason")) == (status, reason)
    assert (metrics["seed"], metrics["overrides"]) == (3, ["seed=3"])


def test_run_with_a_reason_to_end_is_pruned(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with run.outcome():
        run.metrics.reason = "worse than others"
    assert read_metrics_json(tmp_path)["status"] == "pruned"


def test_killed_run_is_recorded_as_running(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.save_as_running()
    assert read_metrics_json(tmp_path)["status"] == "running"
    assert run.metrics.status == "failed"  # until it ends in another way


def test_other_processes_of_a_run_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    run = make_run(tmp_path)
    with run.locked(), run.outcome():
        pass
    assert list(tmp_path.iterdir()) == []


def test_earlier_attempt_is_returned_unless_debug_replaces_it(tmp_path: Path) -> None:
    earlier = RunMetrics("interrupted", config={"debug": True})
    write_metrics(earlier, tmp_path / "metrics.json")
    assert make_run(tmp_path).prepare_folder() == earlier
    assert make_run(tmp_path, debug=True).prepare_folder() is None
    assert not (tmp_path / "metrics.json").exists()


def test_folder_is_locked_for_other_processes(tmp_path: Path) -> None:
    match = "another process is training in"
    with folder_lock(tmp_path, ""), pytest.raises(InputError, match=match), make_run(tmp_path).locked():
        pass

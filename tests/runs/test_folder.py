"""The state of a run follows from its folder; locks end with their process."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from digits.errors import InputError
from digits.runs.choose_folder import resolve_run_folder
from digits.runs.fingerprint import fingerprint
from digits.runs.folder import RunFolder, folder_lock
from digits.runs.metrics_file import RunMetrics, write_metrics

CONFIG: dict[str, Any] = {"seed": 0, "trainer": {"precision": "auto"}}
SAME, OTHER = fingerprint(CONFIG, "32-true"), fingerprint({"seed": 1}, "32-true")
COMPLETED = RunMetrics("completed", device="cpu", precision="32-true", seconds={"fit": 1.0}, fingerprint=SAME)
PRUNED = RunMetrics("pruned", precision="32-true", fingerprint=SAME)


def make_run(folder: Path, metrics: RunMetrics) -> RunFolder:
    run = RunFolder(folder)
    run.checkpoints.mkdir(parents=True)
    run.last_checkpoint.touch()
    write_metrics(metrics, run.metrics_path)
    return run


@pytest.mark.parametrize(("metrics", "state", "locked_state"), [
    (RunMetrics("running", precision="32-true", fingerprint=SAME), "resumable", "running"),
    (RunMetrics("failed", precision="32-true", fingerprint=SAME), "resumable", "running"),
    (RunMetrics("interrupted", precision="32-true", fingerprint=SAME), "resumable", "running"),
    (RunMetrics("running", precision="32-true", fingerprint=OTHER), "failed", "running"),
    (RunMetrics("running"), "failed", "running"),
    (COMPLETED, "ended", "ended"),
    (PRUNED, "ended", "ended"),
])  # fmt: skip
def test_state_follows_from_metrics_checkpoint_and_lock(
    tmp_path: Path, metrics: RunMetrics, state: str, locked_state: str
) -> None:
    assert RunFolder(tmp_path / "run").state(CONFIG) == "new"
    run = make_run(tmp_path / "run", metrics)
    assert run.state(CONFIG) == state
    with folder_lock(run.path, ""):
        assert run.state(CONFIG) == locked_state


def test_run_is_not_resumed_in_another_precision(tmp_path: Path) -> None:
    metrics = RunMetrics("running", precision="32-true", fingerprint=SAME)
    run = make_run(tmp_path / "run", metrics)
    assert run.resumable_checkpoint(metrics, CONFIG, "32-true") == run.last_checkpoint
    assert run.resumable_checkpoint(metrics, CONFIG, "bf16-mixed") is None


def test_lock_is_exclusive_and_released_when_its_process_is_killed(tmp_path: Path) -> None:
    program = "import os; from pathlib import Path; from digits.runs.folder import folder_lock\n"
    program += f"with folder_lock(Path({str(tmp_path)!r}), 'busy'): os.kill(os.getpid(), 9)"
    with folder_lock(tmp_path, ""):
        other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert "InputError: busy" in other.stderr
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    with folder_lock(tmp_path, "still busy"):
        pass


def test_scored_checkpoint_is_named_in_the_metrics(tmp_path: Path) -> None:
    run = make_run(tmp_path, RunMetrics("failed", checkpoint="checkpoints/best.ckpt"))
    assert run.scored_checkpoint() is None
    (run.checkpoints / "best.ckpt").touch()
    assert run.scored_checkpoint() == run.checkpoints / "best.ckpt"
    run.metrics_path.unlink()
    assert run.scored_checkpoint() == run.last_checkpoint


def test_debug_run_has_its_own_folder_unless_another_run_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_run_folder("new", None, debug=True) == "outputs/debug"
    assert resolve_run_folder("new", None, debug="maybe", find="x") == "outputs/new"  # type: ignore[arg-type]
    run = make_run(Path("outputs/debug"), replace(COMPLETED, config={"debug": True}))
    assert resolve_run_folder("new", None, debug=True) == "outputs/debug"
    for metrics in (COMPLETED, RunMetrics("interrupted", config={"debug": False})):
        write_metrics(metrics, run.metrics_path)
        with pytest.raises(InputError, match="outputs/debug holds another run"):
            resolve_run_folder("new", None, debug=True)
    run.metrics_path.unlink()
    with pytest.raises(InputError, match="outputs/debug holds another run"):  # its checkpoint
        resolve_run_folder("new", None, debug=True)


def test_folder_of_a_run_is_new_or_that_of_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    last = make_run(Path("outputs/old"), RunMetrics("interrupted")).last_checkpoint
    Path("elsewhere.ckpt").touch()
    for resume, folder in ((None, "outputs/new"), (str(last), "outputs/old"), ("elsewhere.ckpt", "outputs/new")):
        assert resolve_run_folder("new", resume) == folder

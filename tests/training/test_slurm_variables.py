"""In a Slurm job a run reads and writes the same files as elsewhere, and the warning of Slurm interrupts it."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import (
    SMALL,
    assert_same_weights,
    config,
    last_checkpoint,
    read_metrics_json,
    run_main,
    slow,
    train_small,
)

from digits.errors import InputError
from digits.runs.checkpoint import read_checkpoint
from digits.runs.job import TrainingJob
from digits.training import final_evaluation
from digits.training.checkpoint_io import AtomicCheckpointIO
from digits.training.lr_range import find_lr
from digits.training.module import DigitsModule

SmallRun = Callable[..., Path]
LEFTOVER = "hpc_ckpt_1.ckpt"


@pytest.fixture(autouse=True)
def _slurm_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"JOB_ID": 1, "NTASKS": 1, "PROCID": 0, "LOCALID": 0, "NODEID": 0, "JOB_NAME": "train"}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The checkpoints that Lightning reads."""
    paths = []

    def load(_: AtomicCheckpointIO, path: Any, *__: Any, **___: Any) -> dict[str, Any]:
        paths.append(Path(path))
        return read_checkpoint(path)

    monkeypatch.setattr(AtomicCheckpointIO, "load_checkpoint", load)
    return paths


@pytest.mark.parametrize(
    "setting", ["seed=0", slow("+trainer.default_root_dir=."), slow("+trainer.default_root_dir=${name}")]
)
def test_leftovers_of_other_runs_are_not_read(
    tmp_path: Path,
    made_csv: Path,
    small_run: SmallRun,
    opened: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
) -> None:
    expected = small_run(f"data.test_csv={made_csv}")
    other = small_run("seed=3") / "checkpoints" / "last.ckpt"
    opened.clear()
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for folder in (tmp_path, run, run / "checkpoints"):
        shutil.copy(other, folder / LEFTOVER)
    monkeypatch.chdir(tmp_path)
    trained = train_small(run, made_csv, f"data.test_csv={made_csv}", setting, "name=run")
    assert opened == []
    assert_same_weights(trained, last_checkpoint(expected))
    for stage in ("val", "test"):
        assert read_metrics_json(run)[stage] == read_metrics_json(expected)[stage]


def test_learning_rate_range_reads_no_leftover(
    tmp_path: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(small_run() / "checkpoints" / "last.ckpt", tmp_path / LEFTOVER)
    monkeypatch.chdir(tmp_path)
    find_lr(TrainingJob(config(*SMALL, "model=mlp", "augment=none"), tmp_path))
    assert (tmp_path / "lr.csv").exists()


def test_file_of_an_earlier_exception_is_not_read(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, opened: list[Path]
) -> None:
    expected = small_run()
    opened.clear()
    shutil.copy(small_run("seed=3") / "checkpoints" / "last.ckpt", tmp_path / "on_exception.ckpt")
    callback = f"{{_target_: lightning.pytorch.callbacks.OnExceptionCheckpoint, dirpath: {tmp_path}}}"
    trained = train_small(tmp_path / "run", made_csv, f"trainer.callbacks=[{callback}]")
    assert opened == []
    assert_same_weights(trained, last_checkpoint(expected))


def test_checkpoint_with_the_name_of_a_keyword_is_a_file(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.clear()
    shutil.copy(small_run() / "checkpoints" / "last.ckpt", tmp_path / "hpc")
    shutil.copy(small_run("seed=3") / "checkpoints" / "last.ckpt", tmp_path / LEFTOVER)
    monkeypatch.chdir(tmp_path)
    resumed = train_small(tmp_path / "run", made_csv, "resume=hpc")
    assert [path.name for path in opened] == ["hpc"]
    assert_same_weights(resumed, last_checkpoint(small_run()))


@pytest.mark.parametrize(("owner", "name", "number"), [
    (DigitsModule, "training_step", signal.SIGUSR1),
    slow(DigitsModule, "training_step", signal.SIGUSR2),
    slow(DigitsModule, "training_step", signal.SIGTERM),
    slow(DigitsModule, "validation_step", signal.SIGUSR1),
    slow(final_evaluation, "evaluate", signal.SIGUSR1),
    slow(final_evaluation, "evaluate", signal.SIGTERM),
])  # fmt: skip
def test_warning_of_slurm_is_an_interruption(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, number: int
) -> None:
    interrupted = getattr(owner, name)

    def warn(module: DigitsModule, *arguments: Any) -> Any:
        if module.current_epoch >= 1:
            os.kill(os.getpid(), number)
        return interrupted(module, *arguments)

    monkeypatch.setattr(owner, name, warn)
    data = ["data=csv", f"data.train_csv={made_csv}", f"data.test_csv={made_csv}", "data.val_size=20"]
    process = run_main("train.py", *SMALL, *data, "model=mlp", "name=run", folder=tmp_path)
    assert process.returncode == 1
    folder = tmp_path / "outputs" / "run"
    assert read_metrics_json(folder)["status"] == "interrupted"
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["epoch"] == (1 if owner is final_evaluation else 0)
    assert not list(tmp_path.rglob("hpc_ckpt*"))


def test_tasks_of_an_interactive_session_get_a_hint(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    with pytest.raises(InputError, match="SLURM_JOB_NAME=interactive.*srun"):
        train_small(tmp_path / "run", made_csv)

"""`logger=`: each run of a logger is one run here, and ends with its outcome. `.ci/run` installs W&B and MLflow."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import PROJECT, SMALL, allow_targets, run_main, run_program
from logger_runs import RUNS, LoggerRun, ended_runs, isolate_loggers

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """W&B is offline, and nothing depends on the settings of the user."""
    isolate_loggers(monkeypatch)


@pytest.fixture(params=["tensorboard", "wandb", "mlflow"])
def logger(request: pytest.FixtureRequest) -> str:
    """The name of a logger that is installed."""
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture
def settings(made_csv: Path, logger: str) -> list[str]:
    words = "data=csv data.val_size=20 model=larger_cnn augment=none schedule=constant optimizer=sgd"
    return [*SMALL, *words.split(), f"data.train_csv={made_csv}", f"logger={logger}"]


def outcomes(runs: list[LoggerRun]) -> dict[str, str]:
    names = [run.name for run in runs]
    assert len(names) == len(set(names))
    return {run.name: run.status for run in runs}


def start_and_pause(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A training of the run `r` in a process of its own, which sleeps after its first epoch."""
    (folder / "pausing.py").write_text(
        "import time\nfrom lightning.pytorch import Callback\n\nclass Pause(Callback):\n"
        "    def on_train_epoch_start(self, trainer, pl_module):\n"
        "        time.sleep(600 * trainer.current_epoch)\n"
    )
    command = [sys.executable, str(PROJECT / "train.py"), *arguments, "trainer.callbacks=[{_target_: pausing.Pause}]"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=folder, start_new_session=True, **pipes)  # type: ignore[call-overload]
    limit = time.monotonic() + 300
    while not (folder / "outputs/r/checkpoints/last.ckpt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.1)
    return process


def wait_for_outcome(folder: Path, logger: str, outcome: str) -> list[LoggerRun]:
    limit = time.monotonic() + 120
    while True:
        runs = RUNS[logger](folder)
        if [run.status for run in runs] == [outcome]:
            return runs
        assert time.monotonic() < limit, runs
        time.sleep(0.5)


def test_jobs_of_a_sweep_have_one_run_each(tmp_path: Path, logger: str, settings: list[str]) -> None:
    sweep = run_main("train.py", "-m", *settings, "study=s", "optimizer.lr=0.01,1e30,0.1", folder=tmp_path)
    assert sweep.returncode == 1
    assert "error: 1 of 3 jobs failed" in sweep.stderr
    runs = ended_runs(logger, tmp_path)
    assert outcomes(runs) == {
        "s/lr-0.01_seed-0": "completed",
        "s/lr-1e30_seed-0": "failed",
        "s/lr-0.1_seed-0": "completed",
    }
    assert len({run.id for run in runs}) == 3
    for run in runs:
        if run.status == "completed":
            assert len(run.values) == 3  # two epochs, and the evaluation of the final weights


def test_parallel_jobs_of_a_first_sweep(tmp_path: Path, logger: str, settings: list[str]) -> None:
    """They make the database of MLflow at once."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    arguments = [*settings, "study=s", "optimizer.lr=0.01,1e30", "seed=0,1", "trainer.max_epochs=1"]
    sweep = run_program("train.py", "-m", *arguments, *launcher, folder=tmp_path)
    assert "error: 2 of 4 jobs failed" in sweep.stderr
    assert outcomes(ended_runs(logger, tmp_path)) == {
        "s/lr-0.01_seed-0": "completed",
        "s/lr-0.01_seed-1": "completed",
        "s/lr-1e30_seed-0": "failed",
        "s/lr-1e30_seed-1": "failed",
    }


@pytest.mark.parametrize(("end", "outcome"), [(signal.SIGINT, "interrupted"), (signal.SIGKILL, "killed")])
def test_resumed_run_continues_its_run(
    tmp_path: Path,
    logger: str,
    settings: list[str],
    monkeypatch: pytest.MonkeyPatch,
    end: signal.Signals,
    outcome: str,
) -> None:
    allow_targets(tmp_path, monkeypatch, "pausing")
    settings = [*settings, "trainer.max_epochs=3", "name=r"]
    process = start_and_pause(tmp_path, *settings)
    os.killpg(process.pid, end)
    output, _ = process.communicate(timeout=300)
    assert "Traceback" not in output
    [run] = wait_for_outcome(tmp_path, logger, outcome)
    finished = run_main("train.py", *settings, "resume=outputs/r/checkpoints/last.ckpt", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    [resumed] = ended_runs(logger, tmp_path)
    assert (resumed.id, resumed.name, resumed.status) == (run.id, "r", "completed")
    lost = 1 if logger == "wandb" and outcome == "killed" else 0  # W&B may not have written the first epoch
    assert 4 - lost <= len(resumed.values) <= 4  # three epochs, and the evaluation of the final weights


def test_wandb_without_a_key_is_one_line(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HOME", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    data = ["data=csv", "data.val_size=20", f"data.train_csv={made_csv}"]
    run = run_program("train.py", *SMALL, *data, "logger=wandb", folder=tmp_path, stdin=subprocess.DEVNULL)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert run.stderr.splitlines()[-1].startswith("error: W&B: No API key configured")
    assert "WANDB_MODE=offline" in run.stderr

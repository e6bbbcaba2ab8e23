"""Sweeps through a real Slurm. Without one the tests are skipped; `.ci/slurm FOLDER` starts one."""

import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT, SMALL, allow_targets, read_metrics_json, run_program

pytestmark = pytest.mark.slow

PATIENCE_S = 300  # on a busy machine; the sweeps take a fraction of it


@pytest.fixture(scope="module", autouse=True)
def _running_slurm() -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    if shutil.which("sinfo") is None:
        pytest.skip("needs Slurm; .ci/slurm FOLDER starts one")
    if subprocess.run(["timeout", "10", "sinfo"], capture_output=True).returncode != 0:
        pytest.skip("sinfo reaches no Slurm; .ci/slurm FOLDER starts one, SLURM_CONF=FOLDER/slurm.conf selects it")


@pytest.fixture(scope="module")
def arguments(made_csv: Path) -> list[str]:
    """Of every sweep here."""
    settings = "data=csv data.val_size=20 model=larger_cnn augment=none schedule=constant optimizer=sgd study=s"
    return ["-m", *SMALL, *settings.split(), f"data.train_csv={made_csv}"]


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[list[str]]:
    """The settings of the launcher. Jobs that the test leaves are cancelled."""
    name = f"digits-{os.getpid()}-{tmp_path.name}"
    yield ["hydra/launcher=submitit_slurm", f"hydra.launcher.name={name}"]
    subprocess.run(["scancel", f"--name={name}"], check=True)


@pytest.fixture
def callback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The setting of a callback that runs the given code at the start of each epoch."""

    def setting(code: str) -> str:
        (tmp_path / "obstacle.py").write_text(
            "import os, time\nfrom lightning.pytorch import Callback\n\nclass Obstacle(Callback):\n"
            f"    def on_train_epoch_start(self, trainer, pl_module):\n        {code}\n"
        )
        allow_targets(tmp_path, monkeypatch, "obstacle")
        return "trainer.callbacks=[{_target_:obstacle.Obstacle}]"

    return setting


def start(sweep: list[str], folder: Path, job: Path) -> subprocess.Popen[str]:
    """A sweep in a process of its own, of which a job is training."""
    command = [sys.executable, str(PROJECT / "train.py"), *sweep]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: (job / "metrics.json").exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return process


def wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.2)


def queue(slurm: list[str], *options: str) -> list[str]:
    """The ids of the jobs of a test that have not ended."""
    name = slurm[-1].rpartition("=")[2]
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--name={name}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def leaderboard(folder: Path) -> list[dict[str, str]]:
    """The rows without seconds and images per second."""
    with (folder / "leaderboard.csv").open() as file:
        return [{key: row[key] for key in row if "second" not in key} for row in csv.DictReader(file)]


def undisturbed(sweep: list[str], folder: Path) -> list[dict[str, str]]:
    """The leaderboard with Hydra's basic launcher."""
    run_program("train.py", *sweep, "study=undisturbed", folder=folder)  # in this process it would keep its callback
    return leaderboard(folder / "outputs" / "undisturbed")


def test_slurm_gives_the_same_leaderboard(tmp_path: Path, arguments: list[str], slurm: list[str]) -> None:
    one_fails = [*arguments, "optimizer.lr=0.01,-1"]
    sweep = run_program("train.py", *one_fails, *slurm, folder=tmp_path, timeout=PATIENCE_S)
    assert sweep.returncode == 1
    assert "error: 1 of 2 jobs failed" in sweep.stderr
    assert "sacct" not in sweep.stdout + sweep.stderr
    assert leaderboard(tmp_path / "outputs" / "s") == undisturbed(one_fails, tmp_path)


def test_cancelled_and_killed_jobs_fail_and_the_others_continue(
    tmp_path: Path, arguments: list[str], slurm: list[str], callback: Callable[[str], str]
) -> None:
    by_task = "{'0': lambda: time.sleep(600), '1': lambda: os.kill(os.getpid(), 9), '2': lambda: None}"
    obstacle = callback(f"{by_task}[os.environ['SLURM_ARRAY_TASK_ID']]()")
    folder = tmp_path / "outputs" / "s"
    process = start([*arguments, "seed=0,1,2", obstacle, *slurm], tmp_path, folder / "seed-0")
    (cancelled,) = [job for job in queue(slurm) if job.endswith("_0")]
    subprocess.run(["scancel", cancelled], check=True)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "error: 2 of 3 jobs failed" in stderr
    runs: list[dict[str, Any]] = [read_metrics_json(folder / f"seed-{seed}") for seed in range(3)]
    assert [run["status"] for run in runs] == ["failed", "failed", "completed"]
    assert f"Slurm job {cancelled} ended without a result (CANCELLED)" in runs[0]["reason"]
    assert "(FAILED)" in runs[1]["reason"]
    assert [(row["done"], row["failed"]) for row in leaderboard(folder)] == [("1", "2")]


def test_killed_command_leaves_its_job_to_slurm(
    tmp_path: Path, arguments: list[str], slurm: list[str], callback: Callable[[str], str]
) -> None:
    go = tmp_path / "go"
    sweep = [*arguments, "seed=choice(0)", callback(f"while not os.path.exists({str(go)!r}): time.sleep(0.1)"), *slurm]
    folder = tmp_path / "outputs" / "s"
    process = start(sweep, tmp_path, folder / "seed-0")
    process.kill()
    process.communicate()

    during = run_program("train.py", *sweep, folder=tmp_path, timeout=PATIENCE_S)
    assert during.returncode == 1
    assert "1 of 1 job still running" in during.stderr

    go.touch()
    wait_until(lambda: not queue(slurm))
    after = run_program("train.py", *sweep, folder=tmp_path, timeout=PATIENCE_S)
    assert after.returncode == 0, after.stderr
    assert "1 of 1 job already completed" in after.stdout
    assert leaderboard(folder) == undisturbed(sweep[: -len(slurm)], tmp_path)


@pytest.mark.skipif("DIGITS_SLOW_TESTS" not in os.environ, reason="takes minutes; DIGITS_SLOW_TESTS=1 runs it")
def test_job_requeued_at_its_time_limit_is_awaited(
    tmp_path: Path, arguments: list[str], slurm: list[str], callback: Callable[[str], str]
) -> None:
    first_attempt = "'SLURM_JOB_ID' in os.environ and 'SLURM_RESTART_COUNT' not in os.environ"
    obstacle = callback(f"if {first_attempt} and trainer.current_epoch == 1: time.sleep(600)")
    sweep = [*arguments, "seed=0,1", obstacle]
    limit = ["hydra.launcher.timeout_min=1", "hydra.launcher.max_num_timeout=3"]
    requeued = run_program("train.py", *sweep, *slurm, *limit, folder=tmp_path, timeout=3 * PATIENCE_S)
    assert requeued.returncode == 0, requeued.stderr
    folder = tmp_path / "outputs" / "s"
    for job in ("seed-0", "seed-1"):
        log = (folder / job / "train.log").read_text()
        assert "Requeued job" in log
        assert log.count("epoch 1/2") == 1  # continued, not started again
    assert leaderboard(folder) == undisturbed(sweep, tmp_path)

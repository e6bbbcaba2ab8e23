"""Names, locks and fingerprints of a study's jobs."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT
from hydra.core.override_parser.overrides_parser import OverridesParser

from digits.errors import InputError
from digits.runs.fingerprint import fingerprint, source_hash
from digits.runs.folder import folder_lock, resumable_checkpoint
from digits.studies.runner import StudyRunner, quote_override
from digits.studies.study import Job, Study, job_name

SETTINGS: dict[str, Any] = {"seed": 0, "name": "x", "data": {"root": "here", "batch_size": 8}, "optimizer": {"lr": 0.1}}
FINISHED = {"status": "completed", "device": "abacus", "precision": "exact", "seconds": {"fit": 1.0}}


@pytest.mark.parametrize(
    ("varied", "name"),
    [
        ({"optimizer": "adam", "trainer.max_epochs": "5"}, "optimizer-adam_max_epochs-5_seed-0"),
        ({}, "seed-0"),
        ({"augment.degrees": "1", "other.degrees": "2"}, "augment.degrees-1_other.degrees-2_seed-0"),
    ],
)
def test_job_is_named_after_what_varies(varied: dict[str, str], name: str) -> None:
    assert job_name(varied, 0) == name


@pytest.mark.parametrize("value", ["[a,b]", "'it is'", "a/b", "../..", "x" * 300, "ü=1", "${name}", "$HOME;rm"])
def test_name_of_a_job_needs_no_quotes(value: str) -> None:
    name = job_name({"setting": value}, 0)
    assert re.fullmatch(r"[\w.+-]+", name)
    assert len(name) <= 160
    assert name != job_name({"setting": value + "'"}, 0)
    assert (
        OverridesParser.create().parse_override(f"checkpoint=outputs/first/{name}").value() == f"outputs/first/{name}"
    )


@pytest.mark.parametrize("text", ["a b", "it's", "a\\b", "a\\'b", "x=1,2", "${x}", "[a", "é"])
def test_any_text_can_be_quoted(text: str) -> None:
    assert str(OverridesParser.create().parse_override(f"name={quote_override(text)}").value()) == text


def test_lock_is_held_by_one_process_and_ends_with_it(tmp_path: Path) -> None:
    program = f"from pathlib import Path; from digits.runs.folder import folder_lock\nwith folder_lock(Path({str(tmp_path)!r}), 'taken'): "
    with folder_lock(tmp_path, ""):
        other = subprocess.run([sys.executable, "-c", program + "pass"], capture_output=True, text=True, cwd=PROJECT)
        assert "InputError: taken" in other.stderr
    killed = subprocess.run([sys.executable, "-c", program + "__import__('os').kill(__import__('os').getpid(), 9)"])
    assert killed.returncode == -9
    with folder_lock(tmp_path, "still taken"):
        pass


def test_fingerprint_changes_with_what_decides_alone(tmp_path: Path) -> None:
    mark = fingerprint(SETTINGS)
    assert fingerprint({**SETTINGS, "name": "y", "data": {"root": "there", "batch_size": 8}}) == mark
    assert fingerprint({**SETTINGS, "optimizer": {"lr": 0.2}})["settings"] != mark["settings"]
    assert fingerprint({**SETTINGS, "seed": 1})["settings"] != mark["settings"]
    assert fingerprint({**SETTINGS, "data": {"train_csv": "a"}}) != fingerprint(
        {**SETTINGS, "data": {"train_csv": "b"}}
    )
    shutil.copytree(PROJECT / "src" / "digits", tmp_path, dirs_exist_ok=True)
    assert source_hash(tmp_path) == mark["code"]
    (tmp_path / "models" / "networks.py").write_text("changed")
    source_hash.cache_clear()
    assert source_hash(tmp_path) != mark["code"]


@pytest.mark.parametrize(
    ("metrics", "resumes"),
    [
        ({"status": "running", "fingerprint": fingerprint(SETTINGS)}, True),
        ({"status": "failed", "fingerprint": fingerprint(SETTINGS)}, True),
        ({"status": "running", "fingerprint": fingerprint({**SETTINGS, "seed": 1})}, False),
        ({"status": "running"}, False),
        ({**FINISHED, "fingerprint": fingerprint(SETTINGS)}, False),
    ],
    ids=str,
)
def test_run_goes_on_only_as_it_began(tmp_path: Path, metrics: dict[str, Any], resumes: bool) -> None:
    assert resumable_checkpoint(tmp_path, SETTINGS) is None
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert resumable_checkpoint(tmp_path, SETTINGS) == (last if resumes else None)


def test_lock_that_cannot_be_taken_says_so(tmp_path: Path) -> None:
    with folder_lock(tmp_path, ""), pytest.raises(InputError, match="busy"), folder_lock(tmp_path, "busy"):
        pass


class Launcher:
    """Trains nothing: leaves what a launcher of that kind would, and breaks down as one may."""

    def __init__(self, folder: Path, error: Exception | None, *, ends: tuple[str, ...], outlives: str = "") -> None:
        self.folder, self.error, self.ends, self.outlives = folder, error, ends, outlives
        self.launched: list[list[str]] = []
        self.threads: list[threading.Thread] = []

    def __call__(self, overrides: Sequence[Sequence[str]]) -> list[object]:
        names = [words[-1].partition("=")[2] for words in overrides]
        self.launched.append(names)
        for name in names:
            if name in self.ends:
                self.leave(name, "completed")
            elif name == self.outlives:
                self.leave(name, "running")
                thread = threading.Thread(target=self.finish_later, args=(name,))
                thread.start()
                self.threads.append(thread)
                while not self.held(name):
                    time.sleep(0.01)
        error, self.error = self.error, None
        self.ends = tuple(names) if isinstance(error, BrokenExecutor) else self.ends
        if error:
            raise error
        return []

    def leave(self, name: str, status: str) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        score = {"errors": 1, "total": 10, "error": 0.1, "low": 0.0, "high": 0.4}
        metrics = {**FINISHED, "status": status, "val": score, "overrides": [f"seed={name[-1]}"]}
        (self.folder / name / "metrics.json").write_text(json.dumps(metrics))

    def held(self, name: str) -> bool:
        try:
            with folder_lock(self.folder / name, ""):
                return False
        except InputError:
            return True

    def finish_later(self, name: str) -> None:
        with folder_lock(self.folder / name, ""):
            time.sleep(1)
            self.leave(name, "completed")


def sweep_with(launcher: Launcher, one_by_one: bool = False) -> StudyRunner:
    sweep = StudyRunner(Study("s", launcher.folder, {}, ["seed"]), launcher, one_by_one, total=3)
    settings = {"trainer": {"max_epochs": 1}}
    sweep.run([Job(f"seed-{seed}", (f"seed={seed}",), {**settings, "seed": seed}) for seed in range(3)])
    for thread in launcher.threads:
        thread.join()
    return sweep


def names(jobs: list[Job]) -> list[str]:
    return [job.name for job in jobs]


def test_job_that_outlives_its_launcher_is_waited_for_and_queued_ones_are_left(tmp_path: Path) -> None:
    """As Slurm's: the first job is lost, the second is still being trained, the third has not begun."""
    launcher = Launcher(tmp_path, RuntimeError("lost"), ends=(), outlives="seed-1")
    launcher.leave("seed-0", "failed")
    sweep = sweep_with(launcher)
    assert launcher.launched == [["seed-0", "seed-1", "seed-2"]]
    assert json.loads((tmp_path / "seed-1" / "metrics.json").read_text())["status"] == "completed"
    assert names(sweep.elsewhere) == ["seed-0", "seed-2"]  # neither has begun
    assert not (tmp_path / "seed-2").exists()
    with pytest.raises(InputError, match="2 of 3 jobs are in other hands"):
        sweep.close()


def test_jobs_that_a_broken_pool_had_not_begun_are_launched_again(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, BrokenExecutor("killed"), ends=("seed-0",))
    sweep = sweep_with(launcher)
    assert launcher.launched == [["seed-0", "seed-1", "seed-2"], ["seed-1", "seed-2"]]
    assert (sweep.failed, sweep.elsewhere) == ([], [])
    sweep.close()


def test_launcher_that_cannot_begin_fails_all_its_jobs(tmp_path: Path) -> None:
    sweep = sweep_with(Launcher(tmp_path, ValueError("no such cluster"), ends=()))
    assert names(sweep.failed) == ["seed-0", "seed-1", "seed-2"]
    reason = json.loads((tmp_path / "seed-2" / "metrics.json").read_text())["reason"]
    assert reason == "ValueError: no such cluster"


def test_basic_launcher_gets_one_job_at_a_time(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, None, ends=("seed-0", "seed-2"))
    sweep = sweep_with(launcher, one_by_one=True)
    assert launcher.launched == [["seed-0"], ["seed-1"], ["seed-2"]]
    assert names(sweep.failed) == ["seed-1"]


def test_leaderboard_that_cannot_be_written_does_not_stop_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise InputError("leaderboard.csv: cannot be written (No space left on device)")

    monkeypatch.setattr("digits.studies.runner.write_leaderboard", full)
    launcher = Launcher(tmp_path, None, ends=("seed-0", "seed-1", "seed-2"))
    sweep = sweep_with(launcher, one_by_one=True)
    assert len(launcher.launched) == 3
    with pytest.raises(InputError, match="No space left on device"):
        sweep.close()

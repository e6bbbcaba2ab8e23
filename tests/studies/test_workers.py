"""Each job of Hydra's joblib launcher has its own GPU, where there are several."""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

pytest.importorskip("hydra_plugins.hydra_joblib_launcher")

from digits.studies import workers

AUTO = {"accelerator": "auto", "devices": 1}
Claim = Callable[[ExitStack, int], str | None]


def set_gpus(monkeypatch: pytest.MonkeyPatch, count: int, named: str | None) -> None:
    """Makes a list of visible GPUs."""
    workers._visible_gpus.cache_clear()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named or "")  # and restored after the test
    if named is None:
        del os.environ["CUDA_VISIBLE_DEVICES"]


@pytest.fixture
def claim(tmp_path: Path) -> Claim:
    """Starts a job as in a new process; returns its visible GPU."""

    def start(running: ExitStack, jobs_per_gpu: int) -> str | None:
        before = dict(os.environ)
        running.enter_context(workers.own_gpu(AUTO, tmp_path, jobs_per_gpu))
        shown = os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        os.environ.update(before)
        return shown

    return start


@pytest.mark.parametrize("jobs_per_gpu", [1, 2])
@pytest.mark.parametrize(
    ("named", "gpus"), [(None, ["0", "1", "2"]), ("4, GPU-8932f937,7,-1,5", ["4", "GPU-8932f937", "7"])]
)
def test_each_visible_gpu_has_its_number_of_jobs(
    claim: Claim, monkeypatch: pytest.MonkeyPatch, jobs_per_gpu: int, named: str | None, gpus: list[str]
) -> None:
    set_gpus(monkeypatch, 3, named)
    with ExitStack() as running:
        claimed = [claim(running, jobs_per_gpu) for _ in range(3 * jobs_per_gpu)]
    assert Counter(claimed) == dict.fromkeys(gpus, jobs_per_gpu)
    assert set(claimed[:3]) == set(gpus)  # spread before any is shared


def test_gpu_of_a_job_that_has_ended_is_used_again(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    set_gpus(monkeypatch, 2, None)
    with ExitStack() as running:
        with ExitStack() as ending:
            first = claim(ending, 1)
            claim(running, 1)
        assert claim(running, 1) == first


def test_process_keeps_its_gpu(tmp_path: Path, claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    set_gpus(monkeypatch, 2, None)
    with ExitStack() as other:
        claim(other, 1)
        with workers.own_gpu(AUTO, tmp_path, 1):
            first = os.environ["CUDA_VISIBLE_DEVICES"]
    with workers.own_gpu(AUTO, tmp_path, 1):  # although the other GPU is free too
        assert os.environ["CUDA_VISIBLE_DEVICES"] == first == "1"


@pytest.mark.parametrize(("count", "trainer"), [
    (0, AUTO), (1, AUTO), (2, {**AUTO, "accelerator": "cpu"}), (2, {**AUTO, "devices": [1]}),
])  # fmt: skip
def test_nothing_changes_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, trainer: dict[str, object]
) -> None:
    set_gpus(monkeypatch, count, None)
    with workers.own_gpu(trainer, tmp_path, 1), workers.own_gpu(trainer, tmp_path, 1):
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert not list(tmp_path.iterdir())

"""The worker processes of Hydra's joblib launcher."""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.types import TaskFunction
from omegaconf import DictConfig

from digits.errors import InputError
from digits.private_apis.launchers import fork_workers_from_server


def prepare_workers(settings: dict[str, Any], task: TaskFunction) -> TaskFunction:
    """Prepares workers for Hydra's joblib launcher with these settings. It then forks them from one process that has
    imported PyTorch and Lightning. Returns the task with one of several GPUs for each job.

    It forks only on Linux. Elsewhere each worker imports everything itself, because system libraries break in a fork.

    Raises InputError for an invalid `jobs_per_gpu`, which it removes from the settings: joblib does not know it."""
    jobs_per_gpu = settings.pop("jobs_per_gpu", 1)
    if type(jobs_per_gpu) is not int or jobs_per_gpu < 1:
        raise InputError(f"hydra.launcher.jobs_per_gpu={jobs_per_gpu}: must be an integer, at least 1")
    if sys.platform == "linux":
        threads = max(1, joblib.cpu_count() // count_workers(settings))
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # joblib sets it only for workers that it does not fork
        multiprocessing.set_forkserver_preload(["digits.studies.preload"])
        fork_workers_from_server()
    return partial(_run_on_own_gpu, task, jobs_per_gpu)


def count_workers(settings: Mapping[str, Any]) -> int:
    """The number of workers of `joblib.Parallel` with these settings. One worker is no process of its own."""
    workers: int = joblib.effective_n_jobs(settings["n_jobs"] or 1)
    return workers


def _run_on_own_gpu(task: TaskFunction, jobs_per_gpu: int, config: DictConfig) -> Any:
    with own_gpu(config.trainer, Path(HydraConfig.get().sweep.dir), jobs_per_gpu):
        return task(config)


@contextmanager
def own_gpu(trainer: Mapping[str, Any], folder: Path, jobs_per_gpu: int) -> Iterator[None]:
    """Shows this process one of several GPUs, if its trainer may use one. Waits until a GPU has fewer than
    `jobs_per_gpu` jobs. They hold locks in `folder`, which the operating system releases when their process dies.

    A process keeps its GPU: CUDA reads CUDA_VISIBLE_DEVICES only once."""
    may_use_gpu = trainer.get("accelerator") in ("auto", "gpu", "cuda")
    needs_one_device = trainer.get("devices") in (1, "auto")
    gpus = _visible_gpus() if may_use_gpu and needs_one_device else []
    if len(gpus) < 2:
        yield
        return
    kept = os.environ.get("CUDA_VISIBLE_DEVICES")
    if kept in gpus:
        gpus = [kept]
    gpu, lock = _wait_for_gpu(gpus, folder, jobs_per_gpu)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        yield
    finally:
        lock.release()


def _wait_for_gpu(gpus: Sequence[str], folder: Path, jobs_per_gpu: int) -> tuple[str, FileLock]:
    """A GPU with fewer than `jobs_per_gpu` jobs, and the lock that now counts this job."""
    while True:
        for slot in range(jobs_per_gpu):  # one job for each GPU, before any has a second
            for gpu in gpus:
                lock = FileLock(folder / f".gpu-{gpu}-{slot}.lock")
                with suppress(Timeout):
                    lock.acquire(timeout=0.1)
                    return gpu, lock


@cache  # before CUDA_VISIBLE_DEVICES is changed
def _visible_gpus() -> list[str]:
    """The GPUs as in CUDA_VISIBLE_DEVICES. Does not initialize CUDA."""
    import torch  # imported late: only the workers need it

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not named:
        return [str(gpu) for gpu in range(count)]
    names = [name.strip() for name in named.split(",")]
    return names[:count]

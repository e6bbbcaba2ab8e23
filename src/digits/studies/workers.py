"""The worker processes of Hydra's joblib launcher."""

import multiprocessing
import os
import sys
from typing import Any

import joblib  # type: ignore[import-untyped]
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_joblib_launcher import _core  # type: ignore[import-untyped]
from joblib.externals.loky.backend.context import set_start_method  # type: ignore[import-untyped]

execute_job = _core.execute_job


def prepare_workers(n_jobs: int) -> None:
    """Changes Hydra's joblib launcher. It then forks its workers from one process that has imported PyTorch and
    Lightning, and drops the configurations of jobs that have ended.

    It forks only on Linux. Elsewhere each worker imports everything itself, because system libraries break in a fork.
    """
    _core.execute_job = _execute_job
    if sys.platform == "linux":
        threads = max(1, joblib.cpu_count() // joblib.effective_n_jobs(n_jobs or 1))
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # joblib sets it only for workers that it does not fork
        multiprocessing.set_forkserver_preload(["digits.studies.preload"])
        set_start_method("forkserver", force=True)


def _execute_job(*arguments: Any) -> JobReturn:
    """Returns the result without its two configurations, which take 0.2 MB per job."""
    returned: JobReturn = execute_job(*arguments)
    returned.cfg = returned.hydra_cfg = None
    return returned

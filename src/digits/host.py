"""This machine, as far as it can be asked without PyTorch: its CPUs and its memory."""

import ctypes
import os
import platform


def available_cpus() -> int:
    """The logical CPUs that this process may use, which Slurm, taskset and containers restrict. The variable
    OMP_NUM_THREADS lowers it, as it does for PyTorch."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # on Linux
        count = len(os.sched_getaffinity(0))
    return min(count, _omp_limit() or count)


def onnx_runtime_threads() -> int:
    """The threads of one session. 0 leaves them to ONNX Runtime, which starts one per physical core. It ignores the
    restrictions that `available_cpus` knows, so with these the number is given."""
    if available_cpus() == os.cpu_count():
        return 0
    return available_cpus()


def _omp_limit() -> int | None:
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() and int(value) > 0 else None


def keep_freed_memory() -> None:
    """Raises glibc's thresholds for returning freed blocks, so that the next batch reuses them. Without it a submission
    of 28,000 digits takes 1.2 times as long."""
    if platform.system() != "Linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    never = -1
    sizes = (2**30, 2**25)  # the second is the maximum of glibc before 2.35
    if any(mallopt(mmap_threshold, size) for size in sizes):
        mallopt(trim_threshold, never)

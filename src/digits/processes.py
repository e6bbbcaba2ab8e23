"""The processes of a run on several devices: which one writes, and how all of them end together.

PyTorch is imported late: `--help` needs only the names of the signals."""

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from digits.errors import InputError
from digits.private_apis.lightning import take_started_processes
from digits.private_apis.pytorch import is_gloo_error

STARTER = "DIGITS_STARTER"  # the environment variable with the id of the process that starts the others
# Slurm sends SIGUSR1 or SIGUSR2 with `sbatch --signal`. Without a handler they end a process at once.
ENDING_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
ENDING_SIGNALS = [signal.Signals[name] for name in ENDING_NAMES if name in signal.Signals.__members__]  # two on Windows
BLOCKED_TIMEOUT_S = 20  # after it a connected process that is still blocked is ended
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # in Lightning's order


class LostProcessError(InputError):
    """Another process of the run has ended."""


def is_rank_zero() -> bool:
    """Whether this process writes the files of a run and reports. Its rank is in the environment, before and while the
    processes are connected. A process that Lightning starts knows its node and its rank on the node."""
    for name in RANK_VARIABLES:
        if name in os.environ:
            is_first = os.environ[name] == "0"
            if name == "LOCAL_RANK":
                return is_first and os.environ.get("NODE_RANK", "0") == "0"
            return is_first
    return True


def is_first_of_node() -> bool:
    """Whether this process starts the other processes on its machine, and reports for them."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def is_disconnected(error: BaseException) -> bool:
    """Whether a collective operation failed, which happens when another process ends."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or is_gloo_error(error)


def require_free_port(error: BaseException) -> None:
    """Raises InputError if a run could not connect because another program uses the port in MASTER_PORT."""
    import torch.distributed as dist

    port = os.environ.get("MASTER_PORT", "")
    if not isinstance(error, dist.DistNetworkError) or dist.is_initialized() or not port.isdecimal():
        return
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("", int(port)))
        except (OSError, OverflowError) as reason:
            raise InputError(
                f"MASTER_PORT={port}: the processes cannot connect through this port ({reason}); "
                "set another one, or unset MASTER_PORT"
            ) from error


def slurm_hint() -> str:
    """The remedy if Slurm's variables do not fit to the devices of a run; empty outside of Slurm."""
    if os.environ.get("SLURM_NTASKS", "1") == "1":
        return ""
    return (
        "; in an interactive session of Slurm set SLURM_JOB_NAME=interactive, for one process in each task start the "
        "program with srun"
    )


@contextmanager
def end_together(launcher: Any, on_blocked: Callable[[BaseException], NoReturn]) -> Iterator[None]:
    """Watches the processes during the block (see `ProcessWatch`), and kills the others if it raises. If another
    process ends, the block raises LostProcessError in the process that starts the others, SystemExit in the others.
    After a signal it raises KeyboardInterrupt."""
    watch = ProcessWatch(launcher, on_blocked)
    try:
        yield
        watch.finish(failed=False)
    except BaseException as error:
        try:
            if watch.is_starter:
                require_free_port(error)
                watch.ending.wait(5 if is_disconnected(error) else 0.3)  # until the watch knows the reason
        finally:
            watch.finish(failed=True)
        if isinstance(watch.reason, KeyboardInterrupt):  # PyTorch turns it into other exceptions
            raise watch.reason from None
        if not is_disconnected(error):
            raise
        if not watch.is_starter:
            raise SystemExit(1) from None
        raise watch.reason or LostProcessError("another process of this run has ended") from None


class ProcessWatch:
    """A thread that watches the other processes. Create it in the main thread before Lightning's `launcher` starts
    them.

    In the process that starts the others, it kills all of them if one fails or a signal arrives: the next collective
    operation of the main thread then fails. If the main thread remains blocked, for example because it waits for
    a connection, `on_blocked` is called with the reason and the process ends. The others end when this process ends."""

    def __init__(self, launcher: Any, on_blocked: Callable[[BaseException], NoReturn]) -> None:
        self.launcher = launcher
        self.on_blocked = on_blocked
        self.processes: list[subprocess.Popen[bytes]] = []
        self.reason: BaseException | None = None
        self.ending = threading.Event()
        self.finished = threading.Event()
        self.is_starter = is_first_of_node()
        self.in_main_thread = threading.current_thread() is threading.main_thread()
        if self.is_starter:
            self._watch_others()
        elif STARTER in os.environ:
            self._watch_starter()

    def _watch_others(self) -> None:
        os.environ[STARTER] = str(os.getpid())
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # the others print C++ stacks at a lost connection
        self.signals, sender = socket.socketpair()
        sender.setblocking(False)
        if self.in_main_thread:
            signal.set_wakeup_fd(sender.detach())
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch_starter(self) -> None:
        if self.in_main_thread:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the starter too, which kills this process
        threading.Thread(target=_end_with_starter, daemon=True).start()

    def finish(self, failed: bool) -> None:
        """Ends the watch. If the run has failed, the other processes are killed."""
        self.finished.set()
        if self.is_starter:
            if self.in_main_thread:
                signal.set_wakeup_fd(-1)
            if failed:
                self._kill()

    def _watch(self) -> None:
        import torch.distributed as dist

        while self.reason is None:
            is_signaled = self._wait_for_signal(0.2)
            if self.finished.is_set():
                return
            lost = self._lost_process()
            if is_signaled:
                self.reason = KeyboardInterrupt()
            elif lost is not None:
                self.reason = LostProcessError(lost)
        self.ending.set()
        self._kill()
        if not self.finished.wait(BLOCKED_TIMEOUT_S if dist.is_initialized() else 1):
            _exit(self.on_blocked, self.reason)

    def _wait_for_signal(self, seconds: float) -> bool:
        """Waits for a signal. Whether it is one of those that end a run."""
        readable, _, _ = select.select([self.signals], [], [], seconds)
        if not readable:
            return False
        received = self.signals.recv(64)
        return any(number in received for number in ENDING_SIGNALS)

    def _lost_process(self) -> str | None:
        """Describes a process that has failed, a killed one before others; None if none has."""
        self._take_started()
        failed = []
        for local_rank, process in enumerate(self.processes, 1):
            status = process.poll()
            if status:
                failed.append((status, local_rank))
        if not failed:
            return None
        status, local_rank = min(failed)
        cause = f"failed with status {status}"
        if status < 0:
            cause = f"was ended by {_signal_name(-status)}"
        return f"the process of local rank {local_rank} {cause}"

    def _kill(self) -> None:
        self._take_started()
        for process in self.processes:
            process.kill()

    def _take_started(self) -> None:
        self.processes += take_started_processes(self.launcher)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return str(number)


def _exit(on_blocked: Callable[[BaseException], NoReturn], reason: BaseException) -> NoReturn:
    """Ends this process from another thread than the main thread, with one line."""
    try:
        on_blocked(reason)
    except (KeyboardInterrupt, SystemExit):
        line = "interrupted"
    except Exception as error:
        line = f"error: {error}"
    os.write(2, f"{line}\n".encode())
    os._exit(1)


def _end_with_starter() -> None:
    starter = int(os.environ[STARTER])
    while os.getppid() == starter:
        time.sleep(0.5)
    os._exit(1)

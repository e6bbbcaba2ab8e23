"""When one process of a run on several devices ends, the others are ended too."""

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

import torch.distributed as dist

from digits.errors import InputError
from digits.private_apis import is_gloo_error, take_started_processes

STARTER = "DIGITS_STARTER"  # the environment variable with the id of the process that starts the others
SIGNAL_NAMES = {number.value: number.name for number in signal.Signals}
ENDING_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")  # as in digits.cli.signals
ENDING_SIGNALS = {number for number, name in SIGNAL_NAMES.items() if name in ENDING_NAMES}
PATIENCE = 20  # seconds after which a connected process that is still blocked is ended


class LostProcessError(InputError):
    """Another process of the run has ended."""


def is_disconnected(error: BaseException) -> bool:
    """Whether a collective operation failed, which happens when another process ends."""
    return isinstance(error, dist.DistError) or is_gloo_error(error)


def require_free_port(error: BaseException) -> None:
    """Raises InputError if a run could not connect because another program uses the port in MASTER_PORT."""
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
        self.is_starter = os.environ.get("LOCAL_RANK", "0") == "0"
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
        while self.reason is None:
            readable, _, _ = select.select([self.signals], [], [], 0.2)
            signals = self.signals.recv(64) if readable else b""
            if self.finished.is_set():
                return
            failed = self._failed()
            if not ENDING_SIGNALS.isdisjoint(signals):
                self.reason = KeyboardInterrupt()
            elif failed:
                self.reason = LostProcessError(_describe(*min(failed)))  # a killed process comes first
        self.ending.set()
        self._kill()
        if not self.finished.wait(PATIENCE if dist.is_initialized() else 1):
            _exit(self.on_blocked, self.reason)

    def _failed(self) -> list[tuple[int, int]]:
        """Status and local rank of the processes that have failed."""
        failed = []
        for local_rank, process in enumerate(self._started(), 1):
            status = process.poll()
            if status:
                failed.append((status, local_rank))
        return failed

    def _started(self) -> list[subprocess.Popen[bytes]]:
        """The processes in the order of their local ranks."""
        self.processes += take_started_processes(self.launcher)
        return list(self.processes)

    def _kill(self) -> None:
        for process in self._started():
            process.kill()


def _describe(status: int, local_rank: int) -> str:
    """Why a process has ended. A negative status is a signal."""
    if status < 0:
        return f"the process of local rank {local_rank} was ended by {SIGNAL_NAMES.get(-status, -status)}"
    return f"the process of local rank {local_rank} failed with status {status}"


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

"""Signals that end the programs: Ctrl-C, `kill`, a closed terminal."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

# Windows has no SIGHUP and no SIGQUIT.
ENDING_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]


def exit_on_signals() -> None:
    """Lets a signal end the process at once with one line, as long as nothing has to be cleaned up. An exception in the
    middle of an import would print a traceback. Ignored signals remain ignored, as `nohup` wants it."""
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)


def interrupt_on_signals() -> None:
    """Lets the signals of `exit_on_signals` raise KeyboardInterrupt from now on, so that no partial file remains."""
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is _exit:
            signal.signal(number, signal.default_int_handler)
            sys.unraisablehook = _repeat_lost_interrupt


def _repeat_lost_interrupt(lost: Any) -> None:
    """Sends the signal again if Python discards its KeyboardInterrupt, as it does in a destructor."""
    if lost.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)


def is_first_process() -> bool:
    """Whether this process reports for all processes of a run."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _exit(number: int, frame: FrameType | None) -> None:
    if is_first_process():
        os.write(2, b"interrupted\n")
    os._exit(1)

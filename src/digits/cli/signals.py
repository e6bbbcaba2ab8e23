"""Signals that end the programs: Ctrl-C, `kill`, a closed terminal, a cluster's warning before its time limit."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from digits.processes import ENDING_SIGNALS, is_first_of_node


def exit_on_signals() -> None:
    """Ends the process with one line on a signal, while there is nothing to clean up: before the work and after it. An
    exception during an import or at exit would print a traceback. Ignored signals remain ignored (`nohup`)."""
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)


def interrupt_on_signals() -> None:
    """Raises KeyboardInterrupt on these signals from now on, so that partial files are removed."""
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is _exit:
            signal.signal(number, signal.default_int_handler)
            sys.unraisablehook = _repeat_lost_interrupt


def _repeat_lost_interrupt(lost: Any) -> None:
    """Repeats a signal if Python discards its KeyboardInterrupt, as it does in a destructor."""
    handled = [number for number in ENDING_SIGNALS if signal.getsignal(number) is signal.default_int_handler]
    if lost.exc_type is KeyboardInterrupt and handled:
        threading.Timer(0.01, _send_to_main_thread, [handled[0]]).start()
    else:
        sys.__unraisablehook__(lost)


def _send_to_main_thread(number: int) -> None:
    """A signal to the main thread also ends its sleep. Windows has only `raise_signal`."""
    if hasattr(signal, "pthread_kill"):
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        signal.pthread_kill(main_thread, number)
    else:
        signal.raise_signal(number)


def _exit(number: int, frame: FrameType | None) -> None:
    if is_first_of_node():
        os.write(2, b"interrupted\n")
    os._exit(1)

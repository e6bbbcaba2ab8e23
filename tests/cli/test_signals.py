"""Signals during the work raise KeyboardInterrupt, also where Python discards it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("ignored", [False, True])
def test_interrupt_in_a_destructor_is_repeated(ignored: bool) -> None:
    program = """
import signal, sys, time
from digits.cli.signals import exit_on_signals, interrupt_on_signals
if sys.argv[1] == "True":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a job in the background of a shell script
exit_on_signals()
interrupt_on_signals()

class Noisy:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
        for _ in range(10):
            pass

try:
    Noisy()
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit("interrupted")
"""
    process = subprocess.run([sys.executable, "-c", program, str(ignored)], capture_output=True, text=True, timeout=50)
    assert (process.returncode, process.stderr) == (1, "interrupted\n")

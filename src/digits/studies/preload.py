"""Imports the modules that a job needs. Workers are forked from a process that has imported this module."""

import signal

on_interrupt = signal.getsignal(signal.SIGINT)
if on_interrupt is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports prints no traceback

import digits.training.train  # noqa: E402, F401

signal.signal(signal.SIGINT, on_interrupt)

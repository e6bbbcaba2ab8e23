"""Log lines on the terminal."""

import logging
import os
import sys
from typing import TextIO


class ConsoleHandler(logging.Handler):
    """Writes errors to standard error, and all else to the stream named: to what that is at the moment, so that lines
    pass above a progress bar that stands there. Goes on in silence when nobody reads any more."""

    def __init__(self, stream: str = "stdout") -> None:
        super().__init__()
        self.where = stream

    def emit(self, record: logging.LogRecord) -> None:
        stream: TextIO = getattr(sys, "stderr" if record.levelno >= logging.ERROR else self.where)
        try:
            print(self.format(record), file=stream, flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

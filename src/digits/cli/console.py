"""Log lines on the terminal."""

import logging
import os
import sys
from typing import TextIO


class ConsoleHandler(logging.Handler):
    """Writes errors to stderr and other records to `stream`, the name of a stream in `sys`. The stream is looked up for
    each record, because Rich replaces it while a progress bar is shown. A closed pipe is ignored."""

    def __init__(self, stream: str = "stdout") -> None:
        super().__init__()
        self.stream_name = stream

    def emit(self, record: logging.LogRecord) -> None:
        stream: TextIO = getattr(sys, "stderr" if record.levelno >= logging.ERROR else self.stream_name)
        try:
            print(self.format(record), file=stream, flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

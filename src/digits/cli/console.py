"""Log lines on the terminal, and streams that are closed or cannot encode a character."""

import io
import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

from digits.errors import one_line, printable
from digits.files import discard_output


def prepare_streams() -> None:
    """Escapes characters that standard output and standard error cannot encode. Opens the null device for a closed
    stream, so that no other file takes its place."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class ConsoleHandler(logging.Handler):
    """Writes errors to stderr and other records to `stream`, the name of a stream in `sys`. The stream is looked up for
    each record, because Rich replaces it while a progress bar is shown. A closed pipe is ignored.

    Control characters in names from files are escaped. If the stream cannot be written, a line on stderr reports it
    once, and the program continues."""

    def __init__(self, stream: str = "stdout") -> None:
        super().__init__()
        self.stream_name = stream

    def emit(self, record: logging.LogRecord) -> None:
        stream: TextIO = getattr(sys, "stderr" if record.levelno >= logging.ERROR else self.stream_name)
        lines = self.format(record).split("\n")
        if record.levelno == logging.WARNING:
            lines = [one_line(line) for line in lines]
        try:
            print("\n".join(map(printable, lines)), file=stream, flush=True)
        except OSError as error:
            discard_output(stream)
            if not isinstance(error, BrokenPipeError) and stream is not sys.stderr:
                with suppress(OSError):
                    sys.stderr.write(f"standard output: cannot be written ({error.strerror})\n")

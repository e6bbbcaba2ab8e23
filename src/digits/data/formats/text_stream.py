"""Lines of a text in UTF-8 or UTF-16, some of which are read twice."""

import codecs
import io
from typing import BinaryIO

READ_BYTES = 1 << 16
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class LineReader:
    """Lines of a file as UTF-8 without a mark at its start. Excel and PowerShell write UTF-16. Lines that are pushed
    back are read again."""

    def __init__(self, file: BinaryIO) -> None:
        first = file.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
        rest: BinaryIO = io.BufferedReader(_Joined(first, file), READ_BYTES)  # type: ignore[type-var]
        if first.startswith(UTF_16_MARKS):
            rest = io.BufferedReader(_Utf8(rest), READ_BYTES)  # type: ignore[type-var]
        self.file = rest
        self.pushed: list[bytes] = []

    def readline(self, limit: int) -> bytes:
        """The next line, at most `limit` bytes of it. Empty at the end."""
        if self.pushed:
            return self.pushed.pop()
        return self.file.readline(limit)

    def push_back(self, line: bytes) -> None:
        """`line` is the next one again."""
        self.pushed.append(line)


class _Joined(io.RawIOBase):
    """Some bytes, and the rest of a file."""

    def __init__(self, first: bytes, file: BinaryIO) -> None:
        self.first = first
        self.file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        content = self.first or self.file.read(len(buffer))
        self.first = b""
        buffer[: len(content)] = content
        return len(content)


class _Utf8(io.RawIOBase):
    """A text in UTF-16 as UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.decoder = codecs.getincrementaldecoder("utf-16")()
        self.encoded = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self.encoded:
            content = self.file.read(READ_BYTES)
            text = self.decoder.decode(content, final=not content)
            self.encoded = text.encode()
            if not content:
                break
        part = self.encoded[: len(buffer)]
        self.encoded = self.encoded[len(part) :]
        buffer[: len(part)] = part
        return len(part)

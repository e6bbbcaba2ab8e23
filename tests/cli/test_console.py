"""Log lines go to the stream of their level; a closed pipe is ignored."""

import logging
import subprocess
import sys

import pytest

from digits.cli.console import ConsoleHandler


def test_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    handler = ConsoleHandler()
    for level, message in ((logging.INFO, "progress"), (logging.ERROR, "problem")):
        handler.emit(logging.makeLogRecord({"levelno": level, "msg": message}))
    assert capsys.readouterr() == ("progress\n", "problem\n")


def test_control_characters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleHandler().emit(logging.makeLogRecord({"levelno": logging.INFO, "msg": "one\ntwo\x1b[2J\udcff"}))
    assert capsys.readouterr().out == "one\ntwo\\x1b[2J\\udcff\n"


def test_long_warning_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleHandler().emit(logging.makeLogRecord({"levelno": logging.WARNING, "msg": 1000 * "x" + "end"}))
    line = capsys.readouterr().out
    assert len(line) <= 301
    assert line.endswith("xend\n")


def test_closed_pipe_is_ignored() -> None:
    program = (
        "import logging, sys, time; from digits.cli.console import ConsoleHandler\n"
        "logging.basicConfig(level='INFO', handlers=[ConsoleHandler()])\n"
        "sys.stdin.readline(); logging.info('one'); logging.info('two'); print('end', file=sys.stderr)"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    process.stdout.close()
    process.stdout = None
    assert process.communicate("go\n")[1] == "end\n"
    assert process.returncode == 0

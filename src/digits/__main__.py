"""The command `digits`, also as `python -m digits`: `digits train …` and `digits predict …`."""

import os
import runpy
import sys
from importlib import import_module

from digits.cli.console import prepare_streams
from digits.cli.signals import exit_on_signals
from digits.errors import one_line

HELP = """\
Trains networks on handwritten digits, and predicts with them.

usage: digits train [GROUP=CHOICE] [SETTING=VALUE] ...    trains, saves the run in outputs/; -m: many runs
       digits predict input=DIGITS [SETTING=VALUE] ...    predicts pictures or files of digits
       digits train --help, digits predict --help         all choices and settings

       --config-dir FOLDER    your own choices and experiments, such as FOLDER/experiment/mine.yaml;
                              a file there replaces the one of the package

python -m digits.studies prints and compares the tables of many runs.
"""
COMMANDS = ("train", "predict")


def main() -> None:
    """Runs the command that the first word names, with the other words as its settings."""
    exit_on_signals()  # before the imports, which take time
    prepare_streams()
    words = sys.argv[1:]
    if not words or words[0] in ("--help", "-h", "help"):
        sys.stdout.write(HELP)
        return
    command = words[0]
    if command in ("-sc", "--shell-completion"):
        _complete()
        return
    if command not in COMMANDS:
        sys.exit(one_line(f"error: {command}: no such command; choose one of {', '.join(COMMANDS)}"))
    # As `python -m digits.cli.train` does: Lightning starts more processes with the module in `__main__`.
    sys.argv[1:] = words[1:]
    runpy.run_module(f"digits.cli.{command}", run_name="__main__", alter_sys=True)


def _complete() -> None:
    """Lets Hydra complete a line in bash, which runs `digits -sc query=bash` with `digits train opt…` in COMP_LINE."""
    program, *parts = os.environ.get("COMP_LINE", "digits train ").split(" ", 2)
    if len(parts) < 2:
        sys.stdout.write(" ".join(COMMANDS))
        return
    command, settings = parts
    if command in COMMANDS:
        os.environ["COMP_LINE"] = f"{program} {settings}"
        import_module(f"digits.cli.{command}").run(f"digits {command}")


if __name__ == "__main__":
    main()

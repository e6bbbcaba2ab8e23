"""Predicts digits with trained networks; see `python predict.py --help`."""

from pathlib import Path

from digits.cli.signals import exit_on_signals

if __name__ == "__main__":
    exit_on_signals()  # before the imports, which take time

from digits.cli.predict import run

if __name__ == "__main__":
    run("python predict.py", Path(__file__).parent.resolve() / "conf")

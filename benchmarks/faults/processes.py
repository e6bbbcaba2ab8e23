"""Whole programs with full disks, closed or narrow outputs, misspelt settings, unusual names, two sweeps at once."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.faults.sweeps import STUDY, differences, sweep_arguments
from benchmarks.faults.workers import FaultError, Outcome, refusal
from benchmarks.harness import PROJECT

PREDICT = f"{sys.executable} {PROJECT / 'predict.py'} checkpoint=$O/model.ckpt trainer.precision=32-true"
TRAIN = (
    f"{sys.executable} {PROJECT / 'train.py'} data=csv data.train_csv=$O/train.csv data.val_size=20 model=larger_cnn"
)
CSV = "input=$O/digits.csv"

# A script in bash, and its expected end: the labels of the digits or of the picture, in o.csv or on standard output;
# "refused" in one line; "either" one.
SCRIPTS = {
    "$PREDICT $CSV": "digits",
    "$PREDICT $CSV output=o.csv 2>&-": "digits",
    "$PREDICT $CSV output=o.csv >/dev/full": "either",
    "$PREDICT $CSV output=o.csv >&-": "digits",
    "$PREDICT $CSV >/dev/full": "refused",
    "$PREDICT $CSV >&-": "refused",
    "$PREDICT $CSV output=/dev/full": "refused",
    "$PREDICT $CSV output=/proc/o.csv": "refused",
    "ulimit -f 1; $PREDICT $CSV probabilities=true output=o.csv": "refused",
    "ulimit -f 300; $TRAIN trainer.max_epochs=2": "refused",
    "$TRAIN hydra.run.dir=/proc/run": "refused",
    "$PREDICT input=- <$O/digits.csv": "digits",
    "$PREDICT input=- <&-": "refused",
    "(head -9 $O/digits.csv; echo 1,2) >d.csv; $PREDICT input=d.csv chunk_size=2 output=o.csv": "refused",
    "cp $O/digit.png 数字.png; PYTHONIOENCODING=latin-1 $PREDICT 'input=\"数字.png\"'": "picture",
    "cp $O/digit.png 数字.png; PYTHONIOENCODING=ascii $PREDICT 'input=\"数字.png\"' output=o.csv": "picture",
    "mkdir p; cp $O/digit.png p/$'\\xff.png'; PYTHONIOENCODING=ascii $PREDICT input=p": "picture",
    "mkdir p; cp $O/digit.png p/$'\\xff\\n.png'; $PREDICT input=p output=o.csv": "picture",
    "mkdir p; cp $O/digit.png p; ln -s x p/x.png; $PREDICT input=p output=o 2>e; tail -1 e >&2; test ! -s o": "either",
    "ln -s o.csv o.csv; $PREDICT $CSV output=o.csv; s=$?; rm o.csv; exit $s": "refused",
    "cp $O/digits.csv a.csv; $PREDICT -m input=a.csv,a.csv output=m.csv": "refused",
    "$PREDICT -m tta=1,2 $CSV": "refused",
    "$PREDICT $CSV -m": "refused",
    "$PREDICT $CSV --foo": "refused",
    "$PREDICT $CSV +confidnce=true": "refused",
    "$PREDICT $CSV confidnce=true": "refused",
    "$TRAIN +optimizr.lr=1": "refused",
    "$TRAIN seed=0,1": "refused",
    "cp $O/digits.csv 'a b.csv'; $PREDICT 'input=a b.csv'": "digits",
    "cp $O/digits.csv 'a(1).csv'; $PREDICT 'input=a(1).csv'": "digits",
    "cp $O/digits.csv it\\'s.csv; $PREDICT input=it\\'s.csv": "digits",
    "cp $O/digits.csv Übung.csv; $PREDICT input=Übung.csv": "digits",
    "cp $O/digits.csv '~,$a=#.csv'; $PREDICT 'input=~,$a=#.csv'": "either",
    "cp $O/digits.csv \"Ü it's (1), ~#=.csv\"; $PREDICT input='\"'\"Ü it's (1), ~#=.csv\"'\"'": "digits",
    "$SWEEP & $SWEEP; b=$?; wait $!; a=$?; [ $a$b = 01 -o $a$b = 10 ] && exit 1": "sweep",
}


def _check(script: str, expected: str, random: Random, originals: Path) -> list[Outcome] | None:
    environment = os.environ | {"O": str(originals), "COLUMNS": "120"}
    sweep = " ".join([f"{sys.executable} {PROJECT / 'train.py'}", *sweep_arguments(originals)])
    for name, command in {"SWEEP": sweep + " >/dev/null", "PREDICT": PREDICT, "TRAIN": TRAIN, "CSV": CSV}.items():
        script = script.replace(f"${name}", command)
    done = subprocess.run(["bash", "-c", script], capture_output=True, env=environment)
    errors = done.stderr.decode(errors="replace").strip()
    if "Traceback" in errors:
        raise FaultError("traceback", errors)
    if left := [*Path().rglob(".*.part"), *Path().glob("multirun.yaml")]:
        raise FaultError("wrong", f"left behind: {left}")
    if done.returncode == 1 and expected in ("refused", "either", "sweep"):
        if expected == "sweep" and (found := differences(STUDY, originals / "study")):
            raise FaultError(*found[0])
        if expected == "refused" and Path("o.csv").exists():
            raise FaultError("wrong", "an output although it was refused")
        return [refusal(errors if errors else "\n")]
    if done.returncode or expected in ("refused", "sweep"):
        raise FaultError("wrong", f"exit status {done.returncode}, expected: {expected}; {errors}")
    output = Path("o.csv").read_bytes() if Path("o.csv").exists() else done.stdout
    labels = [row[-1] for row in csv.reader(output.decode(errors="replace").splitlines()[1:])]
    if labels != json.loads((originals / "labels.json").read_text())["digits" if expected == "either" else expected]:
        raise FaultError("wrong", f"other labels: {output[:300]!r}")
    return None


CHECKS: list[Callable[[Random, Path], list[Outcome] | None]] = [
    partial(_check, script, expected) for script, expected in SCRIPTS.items()
]

"""A small sweep in a forked process, undisturbed or killed at a file operation; and the comparison of two studies."""

import csv
import json
import os
import runpy
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import PROJECT

SETTINGS = [
    "-m", "study=s", "data=csv", "data.val_size=20", "data.batch_size=16", "model=larger_cnn", "optimizer.lr=0.01",
    "trainer.max_epochs=3", "trainer.accelerator=cpu", "trainer.precision=32-true", "ema=null,0.5", "weights=last,best",
]  # fmt: skip
STUDY = Path("outputs/s")
OPERATIONS = ("os.rename", "os.remove", "os.mkdir", "os.link", "os.symlink", "os.rmdir", "os.truncate")
COMPARED = ("status", "val", "test", "epochs", "checkpoint", "calibration")  # of metrics.json


def sweep_arguments(originals: Path) -> list[str]:
    return [*SETTINGS, f"data.train_csv={(originals / 'train.csv').resolve()}"]


def start_train(arguments: Sequence[str], kill_at: int = 0) -> int:
    """Runs `python train.py *arguments` in a fork of this process, which has imported the libraries. Returns its PID.

    SIGKILL ends it before the file operation number `kill_at`. Its output goes to the files `stdout` and `stderr`, the
    number of its file operations to `operations`."""
    if pid := os.fork():
        return pid
    code: Any = 1
    try:
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), descriptor)
        count = _count_operations(kill_at)
        sys.argv = ["train.py", *arguments]
        runpy.run_path(str(PROJECT / "train.py"), run_name="__main__")
        Path("operations").write_text(str(count[0]))
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        else:
            code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _count_operations(kill_at: int) -> list[int]:
    """Counts the operations that change a file in outputs/, and kills this process before number `kill_at`."""
    count = [0]

    def hook(event: str, values: tuple[Any, ...]) -> None:
        opens = event == "open" and isinstance(values[2], int) and values[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (opens or event in OPERATIONS) and "outputs" in str(values[0]):
            count[0] += 1
            if count[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return count


def run_undisturbed(folder: Path) -> None:
    """Writes the study `study`, and undisturbed.json with its seconds and the number of its file operations."""
    os.chdir(folder)
    for _ in range(2):  # the first run is slower
        shutil.rmtree("outputs", ignore_errors=True)
        started_at = time.monotonic()
        _, status = os.waitpid(start_train(sweep_arguments(folder)), 0)
        seconds = time.monotonic() - started_at
        if status:
            raise RuntimeError(Path("stderr").read_text())
    shutil.move(STUDY, "study")
    record = {"seconds": seconds, "operations": int(Path("operations").read_text())}
    Path("undisturbed.json").write_text(json.dumps(record))


def completed_jobs(study: Path) -> dict[str, bytes]:
    """The contents of metrics.json of the completed jobs."""
    contents = {path.parent.name: path.read_bytes() for path in study.glob("*/metrics.json")}
    return {name: content for name, content in contents.items() if b'"status": "completed"' in content}


def differences(study: Path, undisturbed: Path) -> list[tuple[str, str]]:
    """The column of the table and the explanation for each difference from an undisturbed study."""
    here, there = ({path.relative_to(folder) for path in folder.rglob("*")} for folder in (study, undisturbed))
    found = [("lost", f"{path} is missing") for path in sorted(there - here)]
    found += [("wrong", f"{path} is left over") for path in sorted(here - there)]
    for path in sorted(here & there):
        one, other = study / path, undisturbed / path
        if path.name == "leaderboard.csv" and _table(one) != _table(other):
            found.append(("wrong", "leaderboard.csv differs"))
        elif path.suffix == ".ckpt":
            weights, expected = (torch.load(file, weights_only=True)["state_dict"] for file in (one, other))
            if list(weights) != list(expected) or not all(
                torch.equal(weights[name], expected[name]) for name in weights
            ):
                found.append(("wrong", f"{path}: other weights"))
        elif path.name == "metrics.json":
            values, expected = (json.loads(file.read_text()) for file in (one, other))
            if different := [key for key in COMPARED if values.get(key) != expected.get(key)]:
                found.append(("wrong", f"{path}: other {', '.join(different)}"))
    return found


def _table(path: Path) -> list[dict[str, str]]:
    """The rows without seconds and rates."""
    with path.open() as file:
        return [{key: row[key] for key in row if "second" not in key} for row in csv.DictReader(file)]

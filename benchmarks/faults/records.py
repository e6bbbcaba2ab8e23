"""Damaged JSON files of a study: metrics.json of a run, study.json, search.json."""

import csv
import json
import shutil
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.faults.mutations import change_value, damage_bytes
from benchmarks.faults.workers import FaultError
from digits.errors import InputError
from digits.runs.folder import RunFolder
from digits.studies.leaderboard import Leaderboard
from digits.studies.report import write_curves, write_leaderboard
from digits.studies.results import read_results
from digits.studies.study import Job, Study, changed_since_completed

PICTURE_SHARE = 0.02  # half a second each


def check_metrics(random: Random, originals: Path) -> None:
    study = Path(shutil.copytree(originals / "study", "study", ignore=shutil.ignore_patterns("checkpoints", "plots")))
    paths = sorted(study.glob("*/metrics.json"))
    path = random.choice(paths)
    config = json.loads(path.read_text())["config"]
    path.write_bytes(_damaged_json(random, path.read_bytes()))
    results, unreadable = read_results([study])
    board = Leaderboard("study", results, unreadable)
    job, picture = Job(RunFolder(path.parent), (), config), random.random() < PICTURE_SHARE
    job.folder.state(config)
    job.folder.scored_checkpoint()
    metrics = job.folder.metrics()
    if metrics is not None:
        changed_since_completed({job: metrics})
    write_leaderboard(board, study, plot=picture)
    if picture:
        write_curves(board, study)
    widths = {len(row) for row in csv.reader(board.csv().splitlines())}
    if len(board.results) + len(board.omitted) != len(paths) or len(widths) != 1:
        raise FaultError("lost", f"{len(board.results)} of {len(paths)} runs, and rows of {widths} values")
    if not all(map(str.isprintable, board.markdown().splitlines())):
        raise FaultError("unclear message", "the table has unprintable characters")
    if unreadable:
        raise InputError(unreadable[0])


def check_study(random: Random, originals: Path) -> None:
    stored = json.loads((originals / "study" / "study.json").read_text())
    content = _damaged_json(random, json.dumps(stored).encode())
    Path("study.json").write_bytes(content)
    with Study("study", Path(), stored["fixed"], stored["varies"]).acquire():
        read: Any = None
        with suppress(ValueError, RecursionError):
            read = json.loads(content)
        if not isinstance(read, dict) or {key: read.get(key) for key in stored} != stored:
            raise FaultError("wrong", f"another study is accepted: {content[:200]!r}")


def check_search(random: Random, originals: Path) -> None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from digits.studies.search import Search

    trials = [{"optimizer.lr": 0.001 * (n + 1), "optimizer": "sgd", "data.batch_size": 8 + n} for n in range(3)]
    Path("search.json").write_bytes(_damaged_json(random, json.dumps(trials).encode()))
    kinds = FloatDistribution(1e-4, 1e-1, log=True), CategoricalDistribution(("adam", "sgd")), IntDistribution(8, 32)
    search = Search(Path("search.json"), dict(zip(trials[0], kinds, strict=True)), seed=0)
    for _ in range(2):  # the stored trials, then a new one
        for number, settings in search.ask(4, 1).items():
            rate, optimizer, size = map(settings.get, trials[0])
            in_range = (
                optimizer in ("adam", "sgd")
                and size in [str(n) for n in range(8, 33)]
                and 1e-4 <= float(rate or 0) <= 0.1
            )
            if settings.keys() != trials[0].keys() or not in_range:
                raise FaultError("wrong", f"settings outside of the search: {str(settings)[:200]}")
            search.errors[number] = random.choice([None, 0.1])


def _damaged_json(random: Random, content: bytes) -> bytes:
    if random.random() < 0.4:
        return damage_bytes(random, content)
    text = json.dumps(change_value(random, json.loads(content)))
    return text.encode(random.choice(["utf-8"] * 20 + ["utf-16", "utf-8-sig"]))

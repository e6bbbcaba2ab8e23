"""Made results of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics, write_metrics
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import read_results


def write_run(folder: Path, overrides: str, errors: int | None, **more: Any) -> None:
    """A completed run with this number of errors among 1,000 validation digits; a failed run for None. With
    `status="pruned"` the errors are those of the last epoch before its end."""
    run = RunFolder(folder)
    run.path.mkdir(parents=True)
    seed = next((int(word.partition("=")[2]) for word in overrides.split() if word.startswith("seed=")), 0)
    values: dict[str, Any] = {"seed": seed, "overrides": overrides.split(), "config": {"seed": seed}}
    if errors is None:
        values |= {"status": "failed", "reason": "broken"}
    else:
        score = {"errors": errors, "total": 1000, "error": errors / 1000, "low": 0.001, "high": 0.5, "loss": 0.1}
        values |= {"status": "completed", "val": score, "test": {**score, "error": 0.5 - errors / 1000}}
        values |= {
            "device": "abacus",
            "precision": "exact",
            "seconds": {"fit": 10.0 + seed},
            "images_per_second": 100.0,
        }
        pd.DataFrame({"epoch": [1, 2], "val/error": [0.5, errors / 1000]}).to_csv(run.history_path, index=False)
    if more.get("status") == "pruned":
        values |= {"val": None, "test": None}
    write_metrics(RunMetrics(**values | more), run.metrics_path)


def write_mistakes(folder: Path, mistakes: Mapping[int, tuple[int, int]], split: str = "val") -> None:
    """Adds mistakes to a run: label and predicted label by index. Their confidence is 0.5 + index / 1,000."""
    rows = [(split, index, *labels, 0.5 + index / 1000) for index, labels in mistakes.items()]
    columns = ["split", "index", "label", "predicted", "confidence"]
    pd.DataFrame(rows, columns=columns).to_csv(RunFolder(folder).mistakes_path, index=False)


def write_out_of_fold(folder: Path, labels: Mapping[int, int], predictions: Sequence[Mapping[int, float]]) -> None:
    """Adds to a run the labels of a fold by index, and the probabilities of each digit by class."""
    table = pd.DataFrame(predictions, columns=range(10)).fillna(0.0).rename(columns="p{}".format)
    table.insert(0, "index", list(labels))
    table.insert(1, "label", list(labels.values()))
    table.to_csv(RunFolder(folder).out_of_fold_path, index=False)


def leaderboard(*folders: Path) -> Leaderboard:
    return Leaderboard("title", *read_results(folders))

"""Made results of runs."""

from pathlib import Path
from typing import Any

import pandas as pd

from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics, write_metrics
from digits.studies.leaderboard import Leaderboard
from digits.studies.results import read_results


def write_run(folder: Path, overrides: str, errors: int | None, **more: Any) -> None:
    """A completed run with this number of errors among 1,000 validation digits; a failed run for None."""
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
    write_metrics(RunMetrics(**values | more), run.metrics_path)


def leaderboard(*folders: Path) -> Leaderboard:
    return Leaderboard("title", *read_results(folders))

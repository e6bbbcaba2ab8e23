"""A job of a search ends early if its validation errors are worse than the median of the earlier trials."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers import SMALL, config, interrupt, read_metrics_json

pytest.importorskip("optuna")

from digits.errors import InputError
from digits.runs.job import TrainingJob
from digits.training.train import train


def train_job(
    folder: Path, made_csv: Path, earlier: Sequence[Sequence[float | None]] | None, *overrides: str
) -> dict[str, Any]:
    """metrics.json of a job of three epochs, after five trials with these validation errors."""
    folder.mkdir(exist_ok=True)
    if earlier is not None:
        (folder / "earlier_trials.json").write_text(json.dumps(earlier))
    data = ["data=csv", f"data.train_csv={made_csv}", f"data.test_csv={made_csv}", "data.val_size=20"]
    settings = config(*SMALL, *data, "model=dropout_cnn", "trainer.max_epochs=3", *overrides)
    train(TrainingJob(settings, folder, in_sweep=True))
    return read_metrics_json(folder)


def test_unpromising_job_ends_early_without_a_result(tmp_path: Path, made_csv: Path) -> None:
    metrics = train_job(tmp_path, made_csv, 5 * [[1.0, -1.0, 1.0]])
    assert (metrics["status"], metrics["epochs"]) == ("pruned", 2)
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2
    assert not metrics.keys() & {"val", "test", "calibration"}  # the test set is not evaluated


@pytest.mark.parametrize("earlier", [
    5 * [[1.0, 1.0, 1.0]],  # worse
    4 * [[-1.0, -1.0, -1.0]],  # too few
    5 * [[1.0, 1.0, -1.0]],  # better only after the last epoch, when there is nothing to save
])  # fmt: skip
def test_other_jobs_are_completed(tmp_path: Path, made_csv: Path, earlier: list[list[float]]) -> None:
    metrics = train_job(tmp_path, made_csv, earlier)
    assert (metrics["status"], metrics["epochs"]) == ("completed", 3)
    assert {"val", "test"} <= metrics.keys()


@pytest.mark.parametrize(("earlier", "epochs"), [
    ([None, 1.0, None, -1.0, None], 4),
    ([None, 1.0, None, 1.0, None], 5),
])  # fmt: skip
def test_epochs_without_validation_decide_nothing(
    tmp_path: Path, made_csv: Path, earlier: list[float | None], epochs: int
) -> None:
    settings = ["+trainer.check_val_every_n_epoch=2", "trainer.max_epochs=5"]
    metrics = train_job(tmp_path, made_csv, 5 * [earlier], *settings)
    assert metrics["epochs"] == epochs


def test_job_that_was_killed_before_the_decision_is_pruned_at_the_same_epoch(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, "on_train_epoch_start", 1, KeyboardInterrupt())
    with pytest.raises(SystemExit):
        train_job(tmp_path, made_csv, None)
    monkeypatch.undo()
    metrics = train_job(tmp_path, made_csv, 5 * [[-1.0, 1.0, 1.0]])
    assert (metrics["status"], metrics["epochs"]) == ("pruned", 1)


@pytest.mark.parametrize("content", ["{", "3", "[[]]", "[[null]]", '[["a"]]', "[3]"])
def test_damaged_results_of_earlier_trials_are_one_line(tmp_path: Path, made_csv: Path, content: str) -> None:
    (tmp_path / "earlier_trials.json").write_text(content)
    with pytest.raises(InputError, match="earlier_trials.json: damaged"):
        train_job(tmp_path, made_csv, None)

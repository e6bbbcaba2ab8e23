"""metrics.json has one schema, one writer and one reader."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from helpers import PROJECT, read_metrics_json

from digits.errors import InputError
from digits.runs.metrics_file import RunMetrics, read_metrics, write_metrics

SCORE = {"errors": 1, "total": 10, "error": 0.1, "low": 0.0, "high": 0.4, "loss": 0.3}
COMPLETED = RunMetrics("completed", 3, device="cpu", precision="32-true", seconds={"fit": 1.0}, val=SCORE)


def test_written_metrics_are_read(tmp_path: Path) -> None:
    write_metrics(COMPLETED, tmp_path / "metrics.json")
    assert read_metrics(tmp_path / "metrics.json") == COMPLETED
    assert "test" not in read_metrics_json(tmp_path)


@pytest.mark.parametrize("path", sorted((PROJECT / "docs" / "results").glob("*/*seed-0/metrics.json"))[::6], ids=str)
def test_reads_the_files_of_older_versions(path: Path) -> None:
    assert read_metrics(path).completed


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"status": "running", "later": 1}')
    assert read_metrics(tmp_path / "metrics.json").status == "running"


@pytest.mark.parametrize("content", [
    "", "{", "[]", "{}", '{"status": "completed"}', '{"status": "failed", "overrides": null}',
    json.dumps({"status": "completed", "device": "cpu", "precision": "32-true", "seconds": {"fit": 1}, "val": {}}),
], ids=range(7))  # fmt: skip
def test_damaged_file_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=r"metrics\.json: damaged"):
        read_metrics(tmp_path / "metrics.json")


def test_file_that_python_cannot_parse_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_metrics(COMPLETED, tmp_path / "metrics.json")
    monkeypatch.setattr("json.loads", mock.Mock(side_effect=RecursionError))
    with pytest.raises(InputError, match=r"metrics\.json: damaged"):
        read_metrics(tmp_path / "metrics.json")


@pytest.mark.parametrize("changes", [{"checkpoint": 3}, {"model": ["m"]}, {"val": {**SCORE, "error": 10**400}}])
def test_value_of_another_type_is_an_error(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(asdict(COMPLETED) | changes))
    with pytest.raises(InputError, match=r"metrics\.json: damaged"):
        read_metrics(tmp_path / "metrics.json")


def test_only_completed_runs_have_scores() -> None:
    assert COMPLETED.score("val") == SCORE
    assert COMPLETED.score("test") is None
    assert RunMetrics("failed", val=SCORE).score("val") is None

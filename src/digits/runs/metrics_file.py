"""The schema of a run's `metrics.json`, its one writer and its one reader."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from digits.errors import InputError
from digits.files import write_json

SCORE_KEYS = ("errors", "total", "error", "low", "high")
CONTAINERS = {
    "status": str, "overrides": list, "choices": dict, "config": dict, "fingerprint": dict, "seconds": dict,
}  # fmt: skip
TEXTS = ("reason", "model", "device", "precision", "checkpoint")  # or null


@dataclass
class RunMetrics:
    """One run: its settings, how it ended, and its scores. `None` stands for a value that is not known (yet)."""

    status: str
    """running, completed, interrupted, failed, or pruned: ended early by a search"""
    seed: int | None = None
    overrides: list[str] = field(default_factory=list)
    choices: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    fingerprint: dict[str, str] = field(default_factory=dict)
    reason: str | None = None
    """of a failure, or of the end of a pruned run"""
    model: str | None = None
    parameters: int | None = None
    device: str | None = None
    precision: str | None = None
    versions: dict[str, str] | None = None
    git: dict[str, Any] | None = None
    teacher: dict[str, str] | None = None
    """the SHA-256 of each checkpoint that was distilled, by its path"""
    init: dict[str, str] | None = None
    """the SHA-256 of the checkpoint with the initial weights, by its path"""
    trained_parameters: int | None = None
    """those that freeze= does not keep"""
    epochs: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    images_per_second: float | None = None
    checkpoint: str | None = None
    """of the final weights, relative to the run's folder"""
    val: dict[str, float] | None = None
    """a `Score` as a dictionary: counts, the error rate as a fraction, its 95 % interval, means of other quantities"""
    test: dict[str, float] | None = None
    test_subsets: dict[str, dict[str, float]] | None = None
    """scores of parts of MNIST's test set, see `digits.evaluation.mnist_subsets`"""
    calibration: dict[str, Any] | None = None

    @property
    def completed(self) -> bool:
        return self.status == "completed"

    @property
    def ended(self) -> bool:
        """Whether nothing is left to train."""
        return self.status in ("completed", "pruned")

    @property
    def is_debug(self) -> bool:
        """Whether the run had debug=true."""
        return bool(self.config.get("debug"))

    def score(self, stage: str) -> dict[str, float] | None:
        """The score of `val` or `test`; None if the run is not completed or has no such digits."""
        score: dict[str, float] | None = getattr(self, stage)
        return score if self.completed else None


def write_metrics(metrics: RunMetrics, path: Path) -> None:
    """Writes the file atomically. Raises InputError if it cannot be written."""
    # git is null if the code is in no repository. Other values that are not known are omitted.
    content = {key: value for key, value in asdict(metrics).items() if value is not None or key == "git"}
    write_json(content, path)


def read_metrics(path: Path) -> RunMetrics:
    """Reads the file of any version of this project; unknown keys are ignored.

    Raises InputError if it cannot be read or does not follow the schema.
    """
    try:
        content = json.loads(path.read_text())
        known = {key.name: content[key.name] for key in fields(RunMetrics) if key.name in content}
        metrics = RunMetrics(**known)
        _check(metrics)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "damaged, or not the metrics of a run"
        raise InputError(f"{path}: {reason}") from error
    return metrics


def _check(metrics: RunMetrics) -> None:
    """Raises TypeError, ValueError or KeyError for values that do not follow the schema."""
    for key, kind in CONTAINERS.items():
        if not isinstance(getattr(metrics, key), kind):
            raise TypeError(key)
    for key in TEXTS:
        if not isinstance(getattr(metrics, key), str | None):
            raise TypeError(key)
    if metrics.completed:
        _check_result(metrics)


def _check_result(metrics: RunMetrics) -> None:
    for score in (metrics.val, metrics.test):
        if score is None:
            continue
        for key in ("total", "error", "low", "high"):
            float(score[key])
    if metrics.device is None or metrics.precision is None:
        raise KeyError("device or precision")
    float(metrics.seconds["fit"])

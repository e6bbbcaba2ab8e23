"""The schema of `metrics.json`, and its one reader."""

import json
from pathlib import Path
from typing import Any

from digits.errors import InputError

METRICS_SCHEMA = {
    "status": str,
    "overrides": list,
    "choices": dict,
    "config": dict,
    "fingerprint": dict,
}  # in metrics.json


def read_metrics(path: Path) -> dict[str, Any]:
    """A run's metrics.json. Raises InputError if it cannot be read or is not one."""
    try:
        metrics = json.loads(path.read_text())
        status = metrics["status"]
        for key, kind in METRICS_SCHEMA.items():
            if not isinstance(metrics.get(key, kind()), kind):
                raise TypeError(key)
        if status == "completed":
            for stage in {"val", "test"} & metrics.keys():
                _ = [float(metrics[stage][key]) for key in ("error", "low", "high", "total")]
            _ = metrics["device"], metrics["precision"], float(metrics["seconds"]["fit"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "damaged, or not the metrics of a run"
        raise InputError(f"{path}: {reason}") from error
    return metrics  # type: ignore[no-any-return]

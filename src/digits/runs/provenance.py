"""What a run leaves behind for scripts and people: `metrics.json` and a few lines in the terminal."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digits.evaluation.score import Score


def summary(metrics: Mapping[str, Any], scores: Mapping[str, Score], folder: Path) -> str:
    """The final table, plain text."""
    seconds, rate = metrics["seconds"], metrics["images_per_second"]
    lines = {
        "network": f"{metrics['model']}, {metrics['parameters']:,} parameters",
        "training": f"{metrics['epochs']} epochs in {seconds['fit']:.1f} s, {rate:,.0f} images/s, "
        f"{metrics['device']}, {metrics['precision']}, seed {metrics['seed']}",
        **{f"{stage} error": str(scores[stage]) for stage in ("val", "test") if stage in scores},
        "results": os.path.relpath(folder),
    }
    return "\n".join(f"{name:<12}{line}" for name, line in lines.items())


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    packages = ("digits", "torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "kornia")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def git_state() -> dict[str, Any] | None:
    """The commit this code is at and whether it was changed since; None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.CalledProcessError):
        return None

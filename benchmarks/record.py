"""What was measured, on which machine: a JSON file a part."""

import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.contest import PEERS_PYTHON, Contest
from digits.devices import default_precision, device_name
from digits.runs.provenance import git_state

OURS = ("torch", "lightning", "onnxruntime", "pandas")
PEERS = ("keras", "tensorflow", "torch", "lightning", "scikit-learn", "pandas", "polars", "pyarrow")


def machine() -> dict[str, Any]:
    """Where the numbers come from."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peers = ""
    if PEERS_PYTHON.exists():
        code = f"from importlib.metadata import version; print(', '.join(f'{{p}} {{version(p)}}' for p in {PEERS}))"
        peers = subprocess.run([PEERS_PYTHON, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "device": device_name(device),
        "cores": os.cpu_count(),
        "precision": default_precision("auto"),
        "digits": ", ".join(f"{package} {version(package)}" for package in OURS),
        "peers": peers,
        "git": git_state(),
    }


def write_record(part: str, contests: list[Contest], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "contests": [contest._asdict() for contest in contests]}
    (folder / f"{part}.json").write_text(json.dumps(content, indent=1) + "\n")


def read_record(part: str, folder: Path) -> tuple[dict[str, Any], list[Contest]]:
    content = json.loads((folder / f"{part}.json").read_text())
    return content["machine"], [Contest(**contest) for contest in content["contests"]]

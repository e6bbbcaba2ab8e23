"""The measurements of a part with a description of the machine: one JSON file per part, in one folder per machine."""

import json
import os
import re
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import PEERS_PYTHON, Benchmark
from digits.devices import default_precision, device_name, instruction_set
from digits.runs.provenance import git_state

PROJECT_PACKAGES = ("torch", "lightning", "onnxruntime", "pandas")
PEER_PACKAGES = ("keras", "tensorflow", "torch", "lightning", "scikit-learn", "pandas", "polars", "pyarrow")


def machine_folder(folder: Path) -> Path:
    """The subfolder for the records of this machine, such as `amd-epyc-avx2`."""
    return folder / re.sub(r"[^a-z0-9]+", "-", machine_name().lower()).strip("-")


def machine_name() -> str:
    """The GPU, or the processor and its instructions, such as `AMD EPYC, AVX2`."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{device_name(torch.device('cpu')).partition(' cpu, ')[0]}, {instruction_set()}"


def write_record(part: str, benchmarks: list[Benchmark], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    contests = [
        {"title": title, "quantity": quantity, "turns": rounds, "missing": missing}
        for title, quantity, rounds, missing in benchmarks
    ]
    (folder / f"{part}.json").write_text(json.dumps({"machine": machine(), "contests": contests}, indent=1) + "\n")


def read_record(part: str, folder: Path) -> tuple[dict[str, Any], list[Benchmark]]:
    content = json.loads((folder / f"{part}.json").read_text())
    return content["machine"], [
        Benchmark(contest["title"], contest["quantity"], contest["turns"], contest["missing"])
        for contest in content["contests"]
    ]


def machine() -> dict[str, Any]:
    """Machine, precision, package versions and commit."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peers = ""
    if PEERS_PYTHON.exists():
        versions = f"', '.join(f'{{name}} {{version(name)}}' for name in {PEER_PACKAGES})"
        code = f"from importlib.metadata import version; print({versions})"
        peers = subprocess.run([PEERS_PYTHON, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "name": machine_name(),
        "restricted": bool(torch.cpu.get_capabilities().get("avx512_f")) and instruction_set() == "AVX2",
        "date": date.today().isoformat(),
        "device": device_name(device),
        "cores": os.cpu_count(),
        "precision": default_precision("auto"),
        "digits": ", ".join(f"{package} {version(package)}" for package in PROJECT_PACKAGES),
        "peers": peers,
        "git": git_state(),
    }

"""A small part of the fault trials; docs/reliability.md has all results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PROJECT

from benchmarks.faults.table import GOOD

pytest.importorskip("optuna")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the trials need Linux")]


def test_no_fault_is_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.faults", "inputs", "operation", "signal", "--inputs=400", "--kills=6"]
    process = subprocess.run(
        [*command, f"--save={tmp_path / 'counts.json'}"], cwd=PROJECT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout
    counts = json.loads((tmp_path / "counts.json").read_text())["counts"]
    assert len(counts) == 16
    assert all(sum(count.get(cell, 0) for count in counts.values()) > 80 for cell in GOOD)

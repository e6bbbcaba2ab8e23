"""The same commands run with Hydra 1.3 and 1.4, without a warning."""

from pathlib import Path

import pytest
from helpers import SMALL, run_program


@pytest.mark.slow
@pytest.mark.parametrize("sweep", [["name=run"], ["-m", "seed=0,1", "study=s"]])
def test_no_warning_of_hydra(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, sweep: list[str]) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "always")
    data = ["data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "model=mlp"]
    options = [word for word in sweep if word.startswith("-")]
    run = run_program("train.py", *options, *SMALL, *data, *sweep[len(options) :], folder=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")

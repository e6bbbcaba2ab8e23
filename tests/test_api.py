"""`digits.train` and `digits.load_classifier`."""

import json
import logging
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import SMALL, config, run_main

import digits
from digits.data.sources import sample
from digits.errors import InputError

SETTINGS: dict[str, Any] = {
    "data": "csv", "trainer.accelerator": "cpu", "trainer.precision": "32-true", "trainer.max_epochs": 2,
    "data.batch_size": 16, "model": "mlp", "data.val_size": 20,
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_trains_as_the_command_line_does(here: Path, made_csv: Path) -> None:
    run = digits.train(settings={**SETTINGS, "data.train_csv": made_csv, "name": "python"})
    words = [*SMALL, "data=csv", f"data.train_csv={made_csv}", "model=mlp", "data.val_size=20", "name=shell"]
    assert run_main("train.py", *words, folder=here).returncode == 0
    of_shell = json.loads((here / "outputs/shell/metrics.json").read_text())
    assert run.folder == here / "outputs/python"
    assert run.val is not None
    assert run.val.errors == of_shell["val"]["errors"]
    assert run.score == run.val
    images = sample().test.images  # type: ignore[union-attr]
    expected = digits.load_classifier("outputs/shell").predict(images)
    assert np.array_equal(run.classifier.predict(images), expected)
    assert sorted(path.name for path in (here / "outputs/python/.hydra").iterdir()) == [
        "config.yaml", "hydra.yaml", "overrides.yaml",
    ]  # fmt: skip


def test_experiment_is_composed(here: Path) -> None:
    run = digits.train("fast", {"data": "sample", "trainer.max_epochs": 1, "model": "mlp", "data.batch_size": 1000})
    composed = config("experiment=fast", "data=sample", "trainer.max_epochs=1", "model=mlp", "data.batch_size=1000")
    written = json.loads((run.folder / "metrics.json").read_text())["config"]
    assert written["optimizer"] == composed["optimizer"]
    assert run.test is not None
    assert run.score == run.test


@pytest.mark.parametrize(
    ("experiment", "settings", "message"),
    [
        ("fas", {}, "experiment=fas: no such choice; choose one of .*fast"),
        (None, {"optimizer.lrr": 1}, "did you mean lr"),
        (None, {"data": "csv", "data.train_csv": "a, b (1)=c.csv"}, r"^a, b \(1\)=c.csv: no such file"),
        (None, {"trainer.max_epochs": 0}, "max_epochs=0"),
        (None, {"name": None}, "name=null: must be the name of a folder"),
        (None, {"name": "."}, "name=.: must be the name of a folder"),
        (None, {"find": "lr"}, "find=lr trains no network"),
        ("study/smoke", {}, "experiment=study/smoke is a sweep"),
        (None, {"explain": "optimizer.lr"}, "explain=optimizer.lr: must be given on the command line"),
    ],
)
def test_bad_settings_raise_one_line(
    here: Path, experiment: str | None, settings: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        digits.train(experiment, settings)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_values_reach_the_configuration_unchanged(here: Path, made_csv: Path) -> None:
    stopping = {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/error"}
    given = {
        "name": "2026_11_30",
        "trainer.callbacks": [stopping],
        "optimizer.weight_decay": 1e-05,
        "ema": None,
        "test": False,
    }
    run = digits.train(settings={**SETTINGS, "data.train_csv": made_csv, **given})
    written = json.loads((run.folder / "metrics.json").read_text())["config"]
    assert written["name"] == "2026_11_30"
    assert run.folder.name == "2026_11_30"
    assert written["trainer"]["callbacks"] == [stopping]
    assert (written["ema"], written["test"], written["optimizer"]["weight_decay"]) == (None, False, 1e-05)


def test_logging_of_the_program_is_kept(here: Path, made_csv: Path) -> None:
    handler = logging.FileHandler("own.log", mode="w")
    logging.getLogger().addHandler(handler)
    try:
        run = digits.train(settings={**SETTINGS, "data.train_csv": made_csv})
        logging.getLogger().warning("after the training")
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    assert "after the training" in Path("own.log").read_text()
    assert "epoch 2/2" in (run.folder / "train.log").read_text()


def test_ctrl_c_is_a_keyboard_interrupt(here: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("digits.training.module.DigitsModule.training_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        digits.train(settings={**SETTINGS, "data.train_csv": made_csv})


@pytest.mark.parametrize("options", [{}, {"tta": 3}])
def test_loading_keeps_all_global_random_states(options: dict[str, Any]) -> None:
    def state() -> list[object]:
        return [random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()]

    before = state()
    digits.load_classifier(**options)
    assert state() == before


def test_import_needs_no_torch() -> None:
    code = "import digits, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

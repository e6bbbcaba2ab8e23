"""Made digits, and small runs of the entry points: in this process, or in one of their own."""

import contextlib
import io
import json
import logging
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import LightningModule, Trainer
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch import Tensor, nn

import digits.cli.app  # noqa: F401  # registers the resolvers
from digits.cli.hydra_versions import VERSION_BASE
from digits.data.pictures.normalize import Hypothesis, oriented_hypotheses
from digits.data.pictures.orient import orient
from digits.models.networks import build_network
from digits.processes import ENDING_SIGNALS
from digits.runs.checkpoint import read_checkpoint
from digits.settings import PredictSettings
from digits.training.module import DigitsModule

PROJECT = Path(__file__).parent.parent
SMALL = ["trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.max_epochs=2", "data.batch_size=16"]


def slow(*values: Any) -> Any:
    """Parameters of a slow case of a test that is fast with others."""
    return pytest.param(*values, marks=pytest.mark.slow)


def config(*overrides: str, program: str = "train") -> dict[str, Any]:
    """The resolved configuration of `python train.py *overrides`, or of another program."""
    return OmegaConf.to_container(compose_config(*overrides, program=program), resolve=True)  # type: ignore[return-value]


def compose_config(*overrides: str, program: str = "train", hydra: bool = False) -> DictConfig:
    """The same before interpolations are resolved; with Hydra's own settings on request."""
    with initialize_config_dir(str(PROJECT / "conf"), **VERSION_BASE):
        return compose(program, list(overrides), return_hydra_config=hydra)


def predict_settings(**changes: Any) -> PredictSettings:
    """The settings of `python predict.py`, with changes; those of the group `trainer` without this prefix."""
    return PredictSettings.from_config({**config(program="predict"), **changes})


def text_of(value: object) -> str:
    """The id of a test case. The content of an archive holds the time, and would differ between workers of xdist."""
    return value if isinstance(value, str) else ""


def choices(group: str) -> list[str]:
    """The choices of a config group."""
    return sorted(path.stem for path in (PROJECT / "conf" / group).glob("[!_]*.yaml"))


def made_digits(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images uint8 [count, 28, 28] and labels int64 [count] that a network can learn: each class has its bright row."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    images = torch.randint(0, 60, (count, 28, 28), generator=generator, dtype=torch.uint8)
    images[torch.arange(count), 4 + 2 * labels] += 150
    return images, labels


def frame(images: Tensor, labels: Tensor | None) -> pd.DataFrame:
    """A table in Kaggle's format."""
    table = pd.DataFrame(images.reshape(-1, 784).numpy(), columns=[f"pixel{k}" for k in range(784)])
    if labels is not None:
        table.insert(0, "label", labels.numpy())
    return table


def hypotheses(picture: Image.Image) -> list[Hypothesis]:
    """The hypotheses about a picture of any size, mode, orientation and polarity."""
    return oriented_hypotheses(orient(picture))


def run_main(program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs `python PROGRAM *arguments` in this process, which saves the seconds of importing torch and Lightning."""
    stdout, stderr = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    signal_handlers = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    returncode: Any = 0
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            mock.patch.object(sys, "argv", [program, *arguments]),
            mock.patch.dict(os.environ, COLUMNS="120"),
        ):
            runpy.run_path(str(PROJECT / program), run_name="__main__")
    except SystemExit as end:
        returncode = end.code or 0
    finally:
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None
        root.handlers[:] = handlers
        root.setLevel(level)
        for number, handler in signal_handlers.items():
            signal.signal(number, handler)
    if isinstance(returncode, str):
        print(returncode, file=stderr)
        returncode = 1
    return subprocess.CompletedProcess([program, *arguments], returncode, stdout.getvalue(), stderr.getvalue())


def run_program(program: str, *arguments: str, folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs `python PROGRAM *arguments` in a process of its own."""
    command = [sys.executable, str(PROJECT / program), *arguments]
    environment = os.environ | {"COLUMNS": "120"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, **options)


def allow_targets(folder: Path, monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Lets the runs of a test build classes of these modules, which are in `folder` or `tests/`. The runs read a copy
    of `conf/targets.yaml` with the modules added. Python runs `sitecustomize` at the start of each process."""
    targets = folder / "targets.yaml"
    added = "".join(f"- {module}\n" for module in modules)
    targets.write_text((PROJECT / "conf" / "targets.yaml").read_text() + added)
    with (folder / "sitecustomize.py").open("a") as file:
        file.write("import digits.instantiation\nfrom pathlib import Path\n")
        file.write(f"digits.instantiation.TARGETS_FILE = Path({str(targets)!r})\n")
    monkeypatch.setattr("digits.instantiation.TARGETS_FILE", targets)
    monkeypatch.syspath_prepend(folder)
    folders = [str(folder), str(PROJECT / "tests"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, folders)))


def train_small(folder: Path, train_csv: Path, *overrides: str) -> dict[str, Any]:
    """Trains `dropout_cnn` for two epochs on made digits; returns the last checkpoint."""
    from digits.runs.job import TrainingJob
    from digits.training.train import train

    folder.mkdir(exist_ok=True)
    data = ["data=csv", f"data.train_csv={train_csv}", "data.val_size=20"]
    train(TrainingJob(config(*SMALL, *data, "model=dropout_cnn", *overrides), folder))
    return last_checkpoint(folder)


class TinyModule(LightningModule):
    """A module with one weight, whose loss is its output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self.layer(batch).sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def tiny_trainer(**options: Any) -> Trainer:
    """A Trainer for one silent epoch on the CPU."""
    shown = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return Trainer(**{"accelerator": "cpu", "devices": 1, "max_epochs": 1, **shown, **options})


class PowerCutError(Exception):
    pass


def interrupt(monkeypatch: pytest.MonkeyPatch, method: str, epoch: int, error: BaseException) -> None:
    """Makes a method of the module raise an error in an epoch, counted from 0."""

    def fail(module: DigitsModule, *_: object) -> None:
        if module.current_epoch == epoch:
            raise error

    monkeypatch.setattr(DigitsModule, method, fail)


def last_checkpoint(folder: Path) -> dict[str, Any]:
    """The content of the last checkpoint of a run."""
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")


def trained_network(checkpoint: dict[str, Any]) -> nn.Module:
    """The network of a checkpoint, built without the code that predicts."""
    weights = {
        name.removeprefix("network."): values for name, values in checkpoint["state_dict"].items() if "network." in name
    }
    network = build_network(**checkpoint["digits"]["config"]["model"]).eval()
    network.load_state_dict(weights)
    return network


def read_metrics_json(folder: Path) -> dict[str, Any]:
    """metrics.json as a script reads it."""
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def assert_same_weights(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Compares two checkpoints bit by bit."""
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, weights in one["state_dict"].items():
        assert torch.equal(weights, other["state_dict"][name]), name

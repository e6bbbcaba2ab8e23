"""find=lr suggests a rate at which a network learns."""

import math
from pathlib import Path

import pandas as pd
import pytest
from helpers import SMALL, config

from digits.data.sources import Digits
from digits.errors import InputError
from digits.runs.job import TrainingJob
from digits.training.lr_range import RATES, Point, find_lr, suggest_lr
from digits.training.module import DigitsModule


def made_job(folder: Path, made_csv: Path, *overrides: str) -> TrainingJob:
    data = ["data=csv", f"data.train_csv={made_csv}", "model=fast_cnn", "augment=none"]
    return TrainingJob(config(*SMALL, *data, "find=lr", *overrides), folder)


@pytest.mark.parametrize(("optimizer", "low", "high"), [
    ("adamw schedule=plateau", 5e-4, 0.1), ("sgd ema=0.9", 3e-3, 2), ("adadelta", 0.05, 10),
])  # fmt: skip
def test_suggestion_fits_the_optimizer(tmp_path: Path, made_csv: Path, optimizer: str, low: float, high: float) -> None:
    find_lr(made_job(tmp_path, made_csv, *f"optimizer={optimizer}".split()))
    points = pd.read_csv(tmp_path / "lr.csv")
    assert points["lr"].to_list() == pytest.approx(RATES[: len(points)])
    assert low < suggest_lr([Point(*row) for row in points.to_numpy()], warms_up=True) < high
    assert {path.name for path in tmp_path.iterdir()} == {"lr.csv", "lr.png"}


@pytest.mark.usefixtures("drawn_figures")
def test_each_step_uses_its_rate(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    step = DigitsModule.optimizer_step

    def record(self: DigitsModule, *arguments: object, **options: object) -> None:
        used.append(self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        step(self, *arguments, **options)

    monkeypatch.setattr(DigitsModule, "optimizer_step", record)
    find_lr(made_job(tmp_path, made_csv, "schedule=onecycle"))
    assert used[:100] == RATES[:100]


@pytest.mark.parametrize("loss", [math.nan, 1e9])
def test_stops_when_the_loss_diverges(
    tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch, loss: float
) -> None:
    step, stop = DigitsModule.training_step, 300

    def diverge(self: DigitsModule, batch: Digits, batch_idx: int) -> object:
        return step(self, batch, batch_idx) * (1 if self.trainer.global_step < stop else loss)

    monkeypatch.setattr(DigitsModule, "training_step", diverge)
    find_lr(made_job(tmp_path, made_csv, "optimizer=adadelta", "optimizer.rho=0.9"))
    assert len(pd.read_csv(tmp_path / "lr.csv")) - stop in ((0,) if math.isnan(loss) else (1,))


@pytest.mark.parametrize("points", [[], [Point(lr, 2.3, 2.3) for lr in RATES]])
def test_loss_that_never_falls_suggests_nothing(points: list[Point]) -> None:
    with pytest.raises(InputError, match="the loss falls at no rate"):
        suggest_lr(points, warms_up=True)


def test_rate_is_lower_without_a_warmup() -> None:
    points = [Point(lr, 1.0, abs(lr - 0.03)) for lr in (0.001, 0.03, 1)]
    assert (suggest_lr(points, warms_up=True), suggest_lr(points, warms_up=False)) == (0.03, 0.01)


def test_several_devices_are_refused(tmp_path: Path, made_csv: Path) -> None:
    with pytest.raises(InputError, match="single device"):
        find_lr(made_job(tmp_path, made_csv, "trainer=ddp"))

"""Everything that can be chosen composes, and trains."""

import itertools
from pathlib import Path

import pytest
import torch
from helpers import choices, config
from omegaconf import OmegaConf

from digits.config import validate_train
from digits.models.networks import build_network
from digits.runs.checkpoint import read_checkpoint
from digits.runs.fingerprint import fingerprint
from digits.seeding import seed_everything
from digits.training.train import train


@pytest.mark.parametrize(
    "choice",
    [f"{group}={choice}" for group in ("experiment", "optimizer", "schedule", "augment") for choice in choices(group)],
)
def test_trains(tmp_path: Path, made_csv: Path, choice: str) -> None:
    data = ["data=csv", f"data.train_csv={made_csv}", f"data.test_csv={made_csv}"]
    three_steps = [
        "trainer=cpu",
        "+trainer.limit_train_batches=3",
        "trainer.max_epochs=1",
        "data.batch_size=8",
    ]
    composed = config(choice, *data, *three_steps)
    train(composed, tmp_path)

    trained = read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["state_dict"]
    seed_everything(composed.seed)
    initial = build_network(composed.model.name).named_parameters()
    assert not all(torch.equal(trained[f"network.{name}"], weights) for name, weights in initial)


@pytest.mark.parametrize("study", choices("experiment/study"))
def test_every_job_of_a_study_composes(study: str) -> None:
    params = config(f"experiment=study/{study}", whole=True).hydra.sweeper.params
    jobs = [
        config(f"experiment=study/{study}", *(f"{key}={value}" for key, value in zip(params, values, strict=True)))
        for values in itertools.product(*(str(values).split(",") for values in params.values()))
    ]
    for job in jobs:
        validate_train(job)
        OmegaConf.to_container(job, resolve=True)
    assert {job.study for job in jobs} == {study}
    assert len({job.seed for job in jobs}) >= 2


def test_adadelta_study_is_the_two_experiments() -> None:
    for experiment, lr in (("adadelta", "1.0"), ("adadelta_slow", "0.001")):
        study, alone = config("experiment=study/adadelta", f"optimizer.lr={lr}"), config(f"experiment={experiment}")
        settings = [fingerprint(OmegaConf.to_container(one, resolve=True))["settings"] for one in (study, alone)]  # type: ignore[arg-type]
        assert settings[0] == settings[1]


@pytest.mark.parametrize("group", ["data", "model", "trainer", "logger"])
def test_composes(group: str) -> None:
    for choice in choices(group):
        assert group in config(f"{group}={choice}")


def test_experiment_loses_to_the_command_line_and_wins_over_the_defaults() -> None:
    composed = config("experiment=brownlee_mlp", "optimizer.lr=0.5")
    assert composed.model.name == "mlp"
    assert composed.data.batch_size == 200
    assert composed.optimizer.lr == 0.5
    assert config("experiment=brownlee_mlp", "model=m3").model.name == "m3"


@pytest.mark.parametrize(
    ("experiment", "model", "batch", "epochs", "lr"),
    [
        ("brownlee_mlp", "mlp", 200, 10, 0.001),
        ("brownlee_simple", "simple_cnn", 200, 10, 0.001),
        ("brownlee_larger", "larger_cnn", 200, 10, 0.001),
        ("keras_adadelta", "keras_cnn", 128, 12, 1.0),
        ("kaggle", "kaggle_cnn", 86, 30, 0.001),
        ("conv28_adam", "conv28", 32, 10, 0.001),
        ("adadelta_slow", "dropout_cnn", 128, 50, 0.001),
        ("adadelta", "dropout_cnn", 128, 12, 1.0),
    ],
)
def test_originals_settings(experiment: str, model: str, batch: int, epochs: int, lr: float) -> None:
    composed = config(f"experiment={experiment}")
    assert (composed.model.name, composed.data.batch_size) == (model, batch)
    assert (composed.trainer.max_epochs, composed.optimizer.lr) == (epochs, lr)
    assert composed.label_smoothing == 0

"""Everything in `conf/` composes and trains."""

import itertools
from pathlib import Path

import pytest
import torch
from helpers import choices, compose_config, config, last_checkpoint

from digits.instantiation import build
from digits.models.networks import build_network
from digits.runs.fingerprint import relevant_settings
from digits.runs.job import TrainingJob
from digits.seeding import seed_everything
from digits.settings import TrainSettings
from digits.studies.study import REPLICATE_KEYS
from digits.training.train import train

GROUPS = ("experiment", "optimizer", "schedule", "augment")


@pytest.mark.parametrize("choice", [f"{group}={choice}" for group in GROUPS for choice in choices(group)])
def test_trains(tmp_path: Path, made_csv: Path, choice: str) -> None:
    data = ["data=csv", f"data.train_csv={made_csv}", f"data.test_csv={made_csv}", "data.batch_size=8"]
    if choice == "experiment=finetune":
        data.append("model=compact_cnn")  # as train.py takes it from the checkpoint
    composed = config(choice, *data, "trainer=cpu", "+trainer.limit_train_batches=3", "trainer.max_epochs=1")
    train(TrainingJob(composed, tmp_path))
    trained = last_checkpoint(tmp_path)["state_dict"]
    seed_everything(composed["seed"])
    initial = build_network(**composed["model"]).named_parameters()
    assert not all(torch.equal(trained[f"network.{name}"], weights) for name, weights in initial)


@pytest.mark.parametrize("choice", [choice for choice in choices("augment") if choice != "none"])
def test_augmentation_differs_from_image_to_image(choice: str) -> None:
    augment = build(config(f"augment={choice}")["augment"], "augment")
    torch.manual_seed(0)
    pixels = torch.rand(1, 1, 28, 28).expand(16, -1, -1, -1)
    augmented = augment(pixels)
    assert (augmented.shape, augmented.dtype) == (pixels.shape, torch.float32)
    assert 0 <= augmented.min() <= augmented.max() <= 1
    different = (augmented[:, None] - augmented[None]).abs().amax((2, 3, 4)) > 0.1
    assert different.sum() == 16 * 15  # each from each other


@pytest.mark.parametrize("study", choices("experiment/study"))
def test_every_job_of_a_study_composes(study: str) -> None:
    params = dict(compose_config(f"experiment=study/{study}", hydra=True).hydra.sweeper.params)
    replicates = [params.pop(key).split(",") for key in REPLICATE_KEYS if key in params]
    assert max(map(len, replicates)) >= 2
    for values in itertools.product(*(str(values).split(",") for values in params.values())):
        job = config(f"experiment=study/{study}", *(f"{k}={v}" for k, v in zip(params, values, strict=True)))
        TrainSettings.from_config(job)
        assert job["study"] == study


@pytest.mark.parametrize(("experiment", "lr"), [("adadelta", "1.0"), ("adadelta_slow", "0.001")])
def test_adadelta_study_is_the_two_experiments(experiment: str, lr: str) -> None:
    job = config("experiment=study/adadelta", f"optimizer.lr={lr}")
    assert relevant_settings(job) == relevant_settings(config(f"experiment={experiment}"))


@pytest.mark.parametrize("group", ["data", "model", "trainer", "logger"])
def test_composes(group: str) -> None:
    for choice in choices(group):
        assert group in config(f"{group}={choice}")


def test_command_line_overrides_the_experiment_which_overrides_the_defaults() -> None:
    composed = config("experiment=brownlee_mlp", "optimizer.lr=0.5", "model=m3")
    assert (composed["data"]["batch_size"], composed["optimizer"]["lr"], composed["model"]["name"]) == (200, 0.5, "m3")


@pytest.mark.parametrize(("experiment", "model", "batch", "epochs", "lr"), [
    ("brownlee_mlp", "mlp", 200, 10, 0.001),
    ("brownlee_simple", "simple_cnn", 200, 10, 0.001),
    ("brownlee_larger", "larger_cnn", 200, 10, 0.001),
    ("keras_adadelta", "keras_cnn", 128, 12, 1.0),
    ("kaggle", "kaggle_cnn", 86, 30, 0.001),
    ("conv28_adam", "conv28", 32, 10, 0.001),
    ("adadelta_slow", "dropout_cnn", 128, 50, 0.001),
    ("adadelta", "dropout_cnn", 128, 12, 1.0),
])  # fmt: skip
def test_originals_settings(experiment: str, model: str, batch: int, epochs: int, lr: float) -> None:
    composed = config(f"experiment={experiment}")
    assert (composed["model"]["name"], composed["data"]["batch_size"]) == (model, batch)
    assert (composed["trainer"]["max_epochs"], composed["optimizer"]["lr"]) == (epochs, lr)
    assert composed["label_smoothing"] == 0

"""Invalid settings are one clear line, and old configurations compare as new ones."""

import json
import re

import pytest
from helpers import PROJECT, config
from omegaconf.errors import InterpolationResolutionError

from digits.config import flatten, validate_predict, validate_sweep_job, validate_train
from digits.errors import InputError


@pytest.mark.parametrize(
    ("setting", "message"),
    {
        "data.batch_size=0": "integer, at least 1",
        "data.batch_size=ten": "integer",
        "trainer.max_epochs=0": "integer, at least 1",
        "seed=-1": "from 0",
        "ema=1": "decay between 0 and 1",
        "label_smoothing=1": "from 0 to below 1",
        "weights=first": "last or best",
        "data.val_size=many": "count",
        "data.val_size=-1": "count",
        "data.train_csv=3": "path",
        "data.train_csv=???": "required",
        "optimizer.lr=-1": "above 0",
        "optimizer.lr=fast": "above 0",
        "trainer.precision=bf16-true": "auto, 32-true",
    }.items(),
)
def test_invalid_setting_of_a_training_is_named(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=f"{re.escape(setting.partition('=')[0])}.*{message}"):
        validate_train(config("data=csv", "data.train_csv=train.csv", setting))


def test_best_weights_need_validation_digits() -> None:
    validate_train(config("weights=best"))
    with pytest.raises(InputError, match=r"weights=best .*data\.val_size=0"):
        validate_train(config("weights=best", "data.val_size=0"))


@pytest.mark.parametrize("setting", ["tta=0", "batch_size=1.5", "trainer.devices=0", "preview=a.jpg"])
def test_invalid_setting_of_a_prediction_is_named(setting: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(setting)}: must be"):
        validate_predict(config("checkpoint=a.ckpt", "input=a.csv", setting, program="predict"))


@pytest.mark.parametrize("setting", ["trainer=ddp", "trainer.devices=[0,1]", "trainer.num_nodes=2"])
def test_job_of_a_sweep_has_one_device(setting: str) -> None:
    with pytest.raises(InputError, match="trainer=ddp"):
        validate_sweep_job(config(setting))
    validate_sweep_job(config())


def test_missing_value_of_a_dependent_setting_lists_the_known_ones() -> None:
    with pytest.raises(InterpolationResolutionError, match=r"0\.5 is not one of 1\.0, 0\.001"):
        config("experiment=study/adadelta", "optimizer.lr=0.5")


def test_configurations_of_older_runs_have_todays_names() -> None:
    stored = json.loads((PROJECT / "docs/results/originals/adadelta_seed-0/metrics.json").read_text())["config"]
    now = flatten(config("experiment=adadelta"))
    old = flatten(stored)
    targets = [key for key in old if key.endswith("_target_")]
    assert len(targets) >= 4
    assert {key: old[key] for key in targets} == {key: now[key] for key in targets}
    elastic = {"_args_": [{"_target_": "digits.augmentation.RandomAffine"}]}
    assert flatten(elastic) == {"_args_": [{"_target_": "digits.data.augmentation.RandomAffine"}]}

"""Invalid settings are one clear line, and old configurations compare as new ones."""

import re

import pytest
from helpers import config
from omegaconf.errors import InterpolationResolutionError

from digits.config import flatten, validate_predict, validate_sweep_job, validate_train
from digits.errors import InputError


@pytest.mark.parametrize(("setting", "message"), [
    ("data.batch_size=0", "integer from 1"), ("data.batch_size=ten", "integer"),
    ("trainer.max_epochs=0", "integer from 1"), ("trainer.precision=bf16-true", "auto, 32-true"),
    ("seed=-1", "from 0"), ("ema=1", "decay between 0 and 1"), ("label_smoothing=1", "from 0 to below 1"),
    ("non_digits=0.6", "from 0 to 0.5"), ("non_digits=0.1", "needs precise_bn=true"),
    ("weights=first", "last or best"), ("debug=maybe", "true or false"), ("find=momentum", "null or lr"),
    ("explain=seed", "command line"),
    ("data.val_size=many", "count"), ("data.val_size=-1", "count"),
    ("data.train_csv=3", "path"), ("data.train_csv=???", "required"),
    ("optimizer.lr=-1", "above 0"), ("optimizer.lr=fast", "above 0"),
])  # fmt: skip
def test_invalid_setting_of_a_training_is_named(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=f"{re.escape(setting.partition('=')[0])}.*{message}"):
        validate_train(config("data=csv", "data.train_csv=train.csv", setting))


def test_fast_dev_run_names_debug() -> None:
    with pytest.raises(InputError, match=r"fast_dev_run=true.*debug=true"):
        validate_train(config("+trainer.fast_dev_run=true"))
    validate_train(config("+trainer.fast_dev_run=false"))


def test_best_weights_need_validation_digits() -> None:
    validate_train(config("weights=best"))
    with pytest.raises(InputError, match=r"weights=best .*data\.val_size=0"):
        validate_train(config("weights=best", "data.val_size=0"))


@pytest.mark.parametrize(("settings", "message"), [
    ("debug=true resume=last.ckpt", "debug=true .* omit resume"),
    ("find=lr resume=last.ckpt", "find=lr .* omit resume"),
    ("debug=true find=lr", "exclude each other"),
])  # fmt: skip
def test_debug_run_and_search_start_new_and_alone(settings: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        validate_train(config(*settings.split()))


@pytest.mark.parametrize("setting", ["tta=0", "export=model", "batch_size=1.5", "trainer.devices=0", "preview=a.jpg"])
def test_invalid_setting_of_a_prediction_is_named(setting: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(setting)}: must be"):
        validate_predict(config("checkpoint=a.ckpt", "input=a.csv", setting, program="predict"))


@pytest.mark.parametrize("setting", ["trainer=ddp", "trainer.devices=[0,1]", "trainer.num_nodes=2"])
def test_job_of_a_sweep_has_one_device(setting: str) -> None:
    validate_sweep_job(config())
    with pytest.raises(InputError, match="trainer=ddp"):
        validate_sweep_job(config(setting))


def test_missing_value_of_a_dependent_setting_lists_the_known_ones() -> None:
    with pytest.raises(InterpolationResolutionError, match=r"0\.5 is not one of 1\.0, 0\.001"):
        config("experiment=study/adadelta", "optimizer.lr=0.5")


def test_old_names_of_classes_are_replaced_inside_lists() -> None:
    elastic = {"_args_": [{"_target_": "digits.augmentation.RandomAffine"}]}
    assert flatten(elastic) == {"_args_": [{"_target_": "digits.data.augmentation.RandomTransform"}]}

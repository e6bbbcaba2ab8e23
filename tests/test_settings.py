"""Invalid settings are one clear line."""

import re
from dataclasses import fields

import pytest
from helpers import config
from omegaconf.errors import InterpolationResolutionError

from digits.errors import InputError
from digits.settings import PredictSettings, TrainSettings
from digits.settings_checks import require_one_device


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
        TrainSettings.from_config(config("data=csv", "data.train_csv=train.csv", setting))


def test_fast_dev_run_names_debug() -> None:
    with pytest.raises(InputError, match=r"fast_dev_run=true.*debug=true"):
        TrainSettings.from_config(config("+trainer.fast_dev_run=true"))
    TrainSettings.from_config(config("+trainer.fast_dev_run=false"))


def test_best_weights_need_validation_digits() -> None:
    TrainSettings.from_config(config("weights=best"))
    with pytest.raises(InputError, match=r"weights=best .*data\.val_size=0"):
        TrainSettings.from_config(config("weights=best", "data.val_size=0"))


@pytest.mark.parametrize(("settings", "message"), [
    ("debug=true resume=last.ckpt", "debug=true .* omit resume"),
    ("find=lr resume=last.ckpt", "find=lr .* omit resume"),
    ("debug=true find=lr", "exclude each other"),
])  # fmt: skip
def test_debug_run_and_search_start_new_and_alone(settings: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainSettings.from_config(config(*settings.split()))


@pytest.mark.parametrize("setting", [
    "tta=0", "export=model", "several=1", "several=some",
    "confidence=1", "output=3", "batch_size=1.5", "trainer.devices=0",
    "trainer.devices=[0]", "trainer.num_nodes=2", "preview=a.jpg", "review=a.png", "export_dtype=int4",
])  # fmt: skip
def test_invalid_setting_of_a_prediction_is_named(setting: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(setting)}: must be"):
        PredictSettings.from_config(config("checkpoint=a.ckpt", "input=a.csv", setting, program="predict"))


def test_every_setting_has_a_typed_field() -> None:
    """A new setting of `conf/` cannot stay unchecked."""
    of_prediction = config(program="predict").keys() | {"accelerator", "precision", "devices", "num_nodes"}
    assert {field.name for field in fields(PredictSettings)} == of_prediction - {"trainer"}
    assert {field.name for field in fields(TrainSettings)} == config().keys() | {"config"}


def test_settings_have_the_values_of_the_configuration() -> None:
    train = TrainSettings.from_config(config("data.batch_size=7", "ema=0.9", "trainer.max_epochs=3"))
    assert (train.data.batch_size, train.ema, train.trainer.max_epochs) == (7, 0.9, 3)
    predict = PredictSettings.from_config(config("input=[a.png,b.png]", "trainer=cpu", program="predict"))
    assert (predict.input, predict.accelerator, predict.tta) == (["a.png", "b.png"], "cpu", 1)


def test_prediction_on_several_devices_is_refused() -> None:
    with pytest.raises(InputError, match=r"^trainer\.devices=2: must be 1: prediction uses one device"):
        PredictSettings.from_config(config("input=a.csv", "trainer=ddp", program="predict"))


@pytest.mark.parametrize("setting", ["trainer=ddp", "trainer.devices=[0,1]", "trainer.num_nodes=2"])
def test_job_of_a_sweep_has_one_device(setting: str) -> None:
    require_one_device(config())
    with pytest.raises(InputError, match="trainer=ddp"):
        require_one_device(config(setting))


def test_missing_value_of_a_dependent_setting_lists_the_known_ones() -> None:
    with pytest.raises(InterpolationResolutionError, match=r"0\.5 is not one of 1\.0, 0\.001"):
        config("experiment=study/adadelta", "optimizer.lr=0.5")

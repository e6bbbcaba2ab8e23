"""The program that predicts: `python predict.py`, or `digits predict`."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from digits.cli.app import job_errors, run_app
from digits.cli.job import resolve_config
from digits.cli.signals import interrupt_on_signals
from digits.installation import needs
from digits.instantiation import CONF
from digits.settings import PredictSettings


def run(program: str, conf: Path = CONF) -> None:
    """Predicts with the settings of the command line. `program` is the text that precedes them there."""
    run_app(predict_job, conf, "predict", program)


def predict_job(config: DictConfig) -> None:
    """Runs the only job of Hydra."""
    # The readers import SciPy and others when a file needs them.
    with job_errors(), needs("prediction", "NumPy, SciPy, Pillow and ONNX Runtime"):
        from digits.prediction.predict import predict  # imported late: --help needs no network

        interrupt_on_signals()  # after the imports, which a signal ends at once
        settings = resolve_config(config, HydraConfig.get())
        predict(PredictSettings.from_config(settings))


if __name__ == "__main__":
    run("digits predict")

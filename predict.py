"""Predicts digits with trained networks; see `python predict.py --help`."""

from pathlib import Path

from digits.cli.signals import exit_on_signals

if __name__ == "__main__":
    exit_on_signals()  # before the imports, which take time

import hydra
from omegaconf import DictConfig

from digits.cli.app import job_errors, run_app
from digits.cli.hydra_versions import VERSION_BASE
from digits.cli.job import hydra_job
from digits.settings import PredictSettings

CONF = Path(__file__).parent.resolve() / "conf"


@hydra.main(**VERSION_BASE, config_path=str(CONF), config_name="predict")
def main(config: DictConfig) -> None:
    from digits.prediction.predict import predict  # imported late: --help needs no torch

    with job_errors():
        job = hydra_job(config)
        predict(PredictSettings.from_config(job.config))


if __name__ == "__main__":
    run_app(main, CONF, "predict")

"""Predicts digits with trained networks; `python predict.py --help` tells from what and how."""

import signal
from pathlib import Path

import hydra
from omegaconf import DictConfig

from digits.cli.app import job_errors, run_app

CONF = Path(__file__).parent.resolve() / "conf"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="predict")
def main(config: DictConfig) -> None:
    from digits.prediction.predict import predict  # only here, so that --help answers without torch

    with job_errors():
        predict(config)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, with nothing half-written
    run_app(main, CONF, "predict")

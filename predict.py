"""Predicts digits with trained networks; `python predict.py --help` tells from what and how."""

import signal
from pathlib import Path

import hydra
from omegaconf import DictConfig

from digits.cli import one_job, run

CONF = Path(__file__).parent.resolve() / "conf"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="predict")
def main(config: DictConfig) -> None:
    from digits.predicting import predict  # only here, so that --help answers without torch

    with one_job():
        predict(config)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, with nothing half-written
    run(main, CONF, "predict")

"""Trains a network on handwritten digits; see `python train.py --help`."""

from pathlib import Path

from digits.cli.signals import exit_on_signals

if __name__ == "__main__":
    exit_on_signals()  # before the imports, which take time

import hydra
from omegaconf import DictConfig

from digits.cli.app import job_errors, run_app
from digits.cli.hydra_versions import VERSION_BASE
from digits.cli.job import hydra_job

CONF = Path(__file__).parent.resolve() / "conf"


@hydra.main(**VERSION_BASE, config_path=str(CONF), config_name="train")
def main(config: DictConfig) -> float | None:
    from digits.training.lr_range import find_lr  # imported late: --help and --cfg job need no torch
    from digits.training.train import train

    with job_errors():
        job = hydra_job(config)
        if job.finds_lr:
            find_lr(job)
            return None
        return train(job)


if __name__ == "__main__":
    run_app(main, CONF, "train")

"""The program that trains: `python train.py`, or `digits train`."""

from pathlib import Path

from omegaconf import DictConfig

from digits.cli.app import job_errors, run_app
from digits.cli.job import hydra_job
from digits.cli.signals import interrupt_on_signals
from digits.installation import needs
from digits.instantiation import CONF


def run(program: str, conf: Path = CONF) -> None:
    """Trains with the settings of the command line. `program` is the text that precedes them there."""
    run_app(train_job, conf, "train", program)


def train_job(config: DictConfig) -> float | None:
    """Runs one job of Hydra. Returns the validation error, for a sweeper."""
    with job_errors():
        with needs("training", "PyTorch and Lightning"):
            from digits.training.lr_range import find_lr  # imported late: --help and --cfg job need no torch
            from digits.training.train import train

        interrupt_on_signals()  # after the imports, which a signal ends at once
        job = hydra_job(config)
        if job.finds_lr:
            find_lr(job)
            return None
        return train(job)


if __name__ == "__main__":
    run("digits train")

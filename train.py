"""Trains one network on handwritten digits; `python train.py --help` tells what can be chosen."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from digits.cli.app import job_errors, run_app

CONF = Path(__file__).parent.resolve() / "conf"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(config: DictConfig) -> float | None:
    from digits.training.train import train  # only here, so that --help and --cfg job answer without torch

    hydra_config = HydraConfig.get()
    with job_errors():
        return train(config, Path(hydra_config.runtime.output_dir), hydra_config.overrides.task)


if __name__ == "__main__":
    run_app(main, CONF, "train")

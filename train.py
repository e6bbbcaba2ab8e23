"""Trains one network on handwritten digits; `python train.py --help` tells what can be chosen."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from digits.cli import one_job, run

CONF = Path(__file__).parent.resolve() / "conf"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(config: DictConfig) -> float | None:
    from digits.training import train  # only here, so that --help and --cfg job answer without torch

    hydra_config = HydraConfig.get()
    with one_job():
        return train(config, Path(hydra_config.runtime.output_dir), hydra_config.overrides.task)


if __name__ == "__main__":
    run(main, CONF, "train")

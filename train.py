"""Trains one network on handwritten digits; `python train.py --help` tells what can be chosen."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(config: DictConfig) -> float | None:
    from digits.training import train  # here, so that --help and --cfg job answer without torch

    hydra_config = HydraConfig.get()
    return train(config, Path(hydra_config.runtime.output_dir), hydra_config.overrides.task)


if __name__ == "__main__":
    main()

"""A training as the command line, a sweep or `digits.train` asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TrainingJob:
    """A training, as plain values. `digits.settings.TrainSettings` checks the configuration."""

    config: Mapping[str, Any]
    """the configuration, all interpolations resolved"""
    folder: Path
    """of the run"""
    overrides: Sequence[str] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    """the selected option of each config group"""
    in_sweep: bool = False
    start_folder: Path = Path()
    """the folder in which the command was given; a worker of a launcher may run in another one"""

    @property
    def is_debug(self) -> bool:
        """Whether debug=true lets the run replace an earlier one. Invalid values are refused later."""
        return self.config.get("debug") is True

    @property
    def finds_lr(self) -> bool:
        """Whether the job is a learning rate range test. Invalid values are refused later."""
        return self.config.get("find") is not None

"""Distillation: a network learns the probabilities of an ensemble (L. Beyer et al. 2022, arXiv:2106.05237)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digits.errors import InputError
from digits.runs.checkpoint import load_network
from digits.runs.find_checkpoints import find_checkpoints
from digits.runs.folder import RunFolder


class Teacher(nn.Module):
    """Averages the probabilities of the networks of some checkpoints, given as for `find_checkpoints`. `hashes` maps
    each file to the SHA-256 of its content.

    Raises InputError if a file cannot be read, or belongs to an unfinished run."""

    def __init__(self, checkpoints: str | Sequence[str], temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.networks = nn.ModuleList()
        self.hashes: dict[str, str] = {}
        for path in find_checkpoints(checkpoints):
            _require_finished(path)
            network, _, _ = load_network(path)
            self.networks.append(network)
            self.hashes[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        self.eval().requires_grad_(False)

    def __deepcopy__(self, memo: object) -> "Teacher":
        return self  # the average of the weights (ema) copies the module, but never changes its teacher

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels float32 [N, 1, 28, 28] to probabilities float32 [N, 10] at the temperature."""
        with torch.no_grad():
            logits = torch.stack([network(pixels).float() for network in self.networks])
            return (logits / self.temperature).softmax(2).mean(0)

    def loss(self, pixels: Tensor, logits: Tensor) -> Tensor:
        """Cross-entropy, in nats, of the logits [N, 10] of the student at the temperature against the probabilities of
        the teacher for the same pixels. It is multiplied by the squared temperature, so that the gradients keep their
        size (G. Hinton et al. 2015)."""
        return self.temperature**2 * F.cross_entropy(logits.float() / self.temperature, self(pixels))


def _require_finished(checkpoint: Path) -> None:
    """Raises InputError for a checkpoint of an unfinished run."""
    if checkpoint.parent.name != "checkpoints":  # in no folder of a run
        return
    metrics = RunFolder(checkpoint.parent.parent).metrics()
    if metrics and not metrics.completed:
        raise InputError(f"teacher: {checkpoint} belongs to an unfinished run; name only finished runs")

"""The network of a checkpoint as a member of an ensemble, run by PyTorch."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from digits.devices import default_precision, device_name, resolve_device
from digits.models.layers import scale_images
from digits.runs.checkpoint import load_network

AUTOCAST: dict[str, dict[str, Any]] = {  # arguments of torch.autocast for each precision
    "32-true": {"enabled": False},
    "bf16-mixed": {"dtype": torch.bfloat16},
    "16-mixed": {"dtype": torch.float16},
}


def load_checkpoint_member(path: Path, accelerator: str = "auto", precision: str = "auto") -> "CheckpointMember":
    """Builds the network that the checkpoint names, with the checkpoint's weights. `accelerator` is auto, cpu, gpu or
    mps; `precision` is auto, 32-true, bf16-mixed or 16-mixed.

    Raises InputError if the file is missing, damaged or not from this project, and if there is no such device."""
    device = resolve_device(accelerator)
    network, name, temperature = load_network(path)
    if precision == "auto":
        precision = default_precision(device.type)
    return CheckpointMember(name, network, temperature, device, precision)


class ProbabilityNetwork(nn.Module):
    """A network between the scaling of its input and a softmax at its temperature."""

    def __init__(self, network: nn.Module, temperature: float | None) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        logits: Tensor = self.network(scale_images(images))
        return (logits.float() / (self.temperature or 1.0)).softmax(1)


class CheckpointMember:
    """A network on a device. `precision` is 32-true, bf16-mixed or 16-mixed."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        temperature: float | None,
        device: torch.device | str = "cpu",
        precision: str = "32-true",
    ) -> None:
        self.name = name
        self.calibrated = temperature is not None
        self.device = torch.device(device)
        self.precision = precision
        self.module = ProbabilityNetwork(network, temperature).eval().requires_grad_(False).to(self.device)

    @property
    def hardware(self) -> str:
        return f"{device_name(self.device)}, {self.precision}"

    def predict(self, images: NDArray[np.uint8], batch_size: int = 128) -> NDArray[np.float32]:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        if len(images) == 0:
            return np.empty((0, 10), np.float32)
        # Copies a read-only array, of which PyTorch warns, and one with a negative stride, which PyTorch refuses.
        writable = np.require(images, requirements=["C", "W"])
        probabilities: NDArray[np.float32] = self._predict(torch.from_numpy(writable), batch_size).cpu().numpy()
        return probabilities

    def _predict(self, images: Tensor, batch_size: int) -> Tensor:
        """The probabilities on the device."""
        images = images.to(self.device)  # at once: a copy per batch would wait for a GPU
        with torch.inference_mode(), torch.autocast(self.device.type, **AUTOCAST[self.precision]):
            batches = [self.module(batch) for batch in images.split(batch_size)]
        return torch.cat(batches)

    def in_float32(self) -> "CheckpointMember":
        """A copy that predicts in float32 on the CPU."""
        return CheckpointMember(self.name, deepcopy(self.module.network), self.module.temperature)

"""The members of an ensemble: networks from checkpoints, and ONNX models."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from digits.errors import InputError
from digits.models.layers import scale_images
from digits.runs.checkpoint import load_network

TOLERANCE = 1e-3  # of a probability, and of the sum of ten
AUTOCAST: dict[str, dict[str, Any]] = {  # arguments of torch.autocast for each precision
    "32-true": {"enabled": False},
    "bf16-mixed": {"dtype": torch.bfloat16},
    "16-mixed": {"dtype": torch.float16},
}


def load_member(path: Path) -> "Member":
    """Loads a `.ckpt` or `.onnx` file. Raises InputError if it is missing, damaged or not from this project."""
    return OnnxMember(path) if path.suffix == ".onnx" else CheckpointMember.load(path)


class Member(nn.Module):
    """Maps images uint8 [N, 28, 28] to probabilities float32 [N, 10]. They are `calibrated` if a temperature was fitted
    on validation digits."""

    def __init__(self, name: str, calibrated: bool) -> None:
        super().__init__()
        self.name = name
        self.calibrated = calibrated


class CheckpointMember(Member):
    """A network between the scaling of its input and a softmax at its temperature."""

    def __init__(self, name: str, network: nn.Module, temperature: float | None) -> None:
        super().__init__(name, calibrated=temperature is not None)
        self.network = network
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(scale_images(images))
        return (logits.float() / (self.temperature or 1.0)).softmax(1)

    @classmethod
    def load(cls, path: Path) -> "CheckpointMember":
        """Builds the network that the checkpoint names, with the checkpoint's weights."""
        network, name, temperature = load_network(path)
        return cls(name, network, temperature)


class OnnxMember(Member):
    """A classifier that `predict.py export=…` wrote, run by ONNX Runtime on the CPU."""

    def __init__(self, path: Path) -> None:
        import onnxruntime  # imported late: only ONNX models need it

        from digits.prediction.onnx_model import limit_memory, read_model, time_limit

        content, metadata = read_model(path)
        super().__init__(str(metadata["name"]), bool(metadata.get("calibrated")))
        limit_memory()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised, not logged
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            # Without constant folding, constants are computed in the runs, which are limited.
            self.session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
            )
            for count in (1, 2):
                with time_limit() as run_options:
                    self._run(torch.full((count, 28, 28), 100, dtype=torch.uint8), run_options)
        except Exception:  # a model of another program can fail in any way
            raise InputError(f"{path}: not a model that predict.py exported: it gives no probabilities") from None

    def forward(self, images: Tensor) -> Tensor:
        try:
            return self._run(images)
        except ValueError as error:
            raise InputError(str(error)) from None
        except Exception as error:  # ONNX Runtime has many exception classes of its own
            raise InputError(f"{self.name}: ONNX Runtime failed ({error}); try a lower batch_size") from None

    def _run(self, images: Tensor, run_options: Any = None) -> Tensor:
        """Raises ValueError if the result is not a probability for each image and digit."""
        array = np.ascontiguousarray(images.cpu().numpy())
        [result] = self.session.run(None, {"images": array}, run_options)
        if result.shape != (len(images), 10) or result.dtype != np.float32:
            raise ValueError(f"{self.name}: an array {result.dtype} {list(result.shape)} instead of probabilities")
        lowest = result.min(initial=0)
        difference = np.abs(result.sum(1) - 1).max(initial=0)
        is_distribution = lowest >= -TOLERANCE and difference <= TOLERANCE  # false for NaN
        if not is_distribution:
            raise ValueError(f"{self.name}: numbers that are not probabilities")
        return torch.from_numpy(result).to(images.device)

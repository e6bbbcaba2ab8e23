"""The checkpoint format: what this project adds to Lightning's content, and safe reading."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from warnings import catch_warnings

import torch
from torch import nn

from digits.errors import InputError
from digits.files import atomic_write
from digits.models.fusion import fuse_batch_norm
from digits.models.networks import build_network
from digits.runs.find_checkpoints import require_checkpoint
from digits.runs.safe_archive import open_archive, verify_size

FORMAT_VERSION = 1


def checkpoint_metadata(config: Mapping[str, Any]) -> dict[str, Any]:
    """The entry `digits` of a checkpoint. The resolved configuration consists of plain Python values, so that the file
    loads with `weights_only=True` and is enough to predict. A `temperature` is added after the evaluation."""
    return {"format": FORMAT_VERSION, "config": config}


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Writes a checkpoint atomically. Raises InputError if the file cannot be written."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)  # to a file it raises RuntimeError when the disk is full
    with atomic_write(path) as temp_path:
        temp_path.write_bytes(buffer.getbuffer())


class TrainedNetwork(NamedTuple):
    """The network of a checkpoint on the CPU."""

    network: nn.Module
    model: dict[str, Any]
    """its settings: its name, and its options if it has any"""
    temperature: float | None
    """None if none was fitted"""


def load_network(path: str | Path) -> tuple[nn.Module, str, float | None]:
    """The network of a checkpoint on the CPU, ready for prediction, its name, and its temperature if one was fitted.

    Raises InputError as `read_network` does."""
    network, model, temperature = read_network(path)
    return fuse_batch_norm(network), model["name"], temperature


def read_network(path: str | Path) -> TrainedNetwork:
    """The network as it was trained, in evaluation mode.

    Raises InputError as `read_checkpoint` does, and if the weights are not finite or not those of that network."""
    checkpoint = read_checkpoint(path)
    metadata = checkpoint["digits"]
    model, temperature = metadata["config"].get("model"), metadata.get("temperature")
    if not isinstance(model, dict) or not isinstance(model.get("name"), str):
        raise _damaged_weights(path)
    if temperature is not None and not (type(temperature) is float and 0.01 < temperature < 100):
        raise InputError(f"{path}: damaged; its temperature is not a number between 0.01 and 100")
    weights = _network_weights(checkpoint["state_dict"])
    if any(torch.is_tensor(weight) and weight.is_complex() for weight in weights.values()):
        raise _damaged_weights(path)
    try:
        with torch.random.fork_rng(devices=[]):  # its initial weights are random
            network = build_network(**model).eval()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        network.load_state_dict(weights)
    except RuntimeError:  # other names or shapes
        raise _damaged_weights(path) from None
    for tensor in (*network.parameters(), *network.buffers()):
        if not tensor.isfinite().all():
            raise InputError(f"{path}: holds weights that are not finite numbers; its training diverged")
    return TrainedNetwork(network, model, temperature)


def _network_weights(state: Mapping[Any, Any]) -> dict[str, Any]:
    """The weights of `DigitsModule.network` under their names in the network."""
    weights = {}
    for key, value in state.items():
        name = str(key)
        if name.startswith("network."):
            weights[name.removeprefix("network.")] = value
    return weights


def _damaged_weights(path: str | Path) -> InputError:
    return InputError(f"{path}: damaged; its weights are not those of the network that it names")


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Loads a checkpoint to the CPU. No code in the file is executed.

    Raises InputError if the file is missing, damaged, not from this project, or of an unknown format version.
    """
    require_checkpoint(path)
    try:
        with catch_warnings(action="ignore"):
            archive = open_archive(path)
            checkpoint: dict[str, Any] = torch.load(archive, map_location="cpu", weights_only=True)
        verify_size(checkpoint, os.path.getsize(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception:  # arbitrary bytes can raise any error in the unpickler
        raise InputError(f"{path}: damaged, or not a checkpoint of this project; no code in it was run") from None
    metadata = checkpoint.get("digits") if isinstance(checkpoint, dict) else None
    if not isinstance(metadata, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise InputError(f"{path}: not a checkpoint of this project")
    version = metadata.get("format")
    if type(version) is not int or version != FORMAT_VERSION:
        raise InputError(
            f"{path}: format {str(version)[:40]}, but this version of digits reads format {FORMAT_VERSION}; "
            "predict with the version that wrote it"
        )
    if not isinstance(metadata.get("config"), dict):
        raise InputError(f"{path}: damaged; the name of its network is missing")
    return checkpoint

"""The weights that a new run starts from: init=CHECKPOINT."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from digits.errors import InputError
from digits.runs.checkpoint import TrainedNetwork, read_network
from digits.runs.find_checkpoints import BUNDLED, find_checkpoints


@dataclass(frozen=True)
class InitialWeights:
    """The checkpoint that a network started from. Optimizer, schedule and epoch of its training are not used."""

    name: str
    """its path, or `bundled`"""
    sha256: str
    """of the file"""
    temperature: float | None


def load_initial_weights(init: str, network: nn.Module, model: Mapping[str, Any]) -> InitialWeights:
    """Copies the weights of a checkpoint into a network that was built with the settings `model`. `init` is the path of
    a checkpoint, the folder of its run, or `bundled`.

    Raises InputError as `initial_model` does, and if the checkpoint holds another network."""
    path, trained = _read(init)
    if trained.model != dict(model):
        raise InputError(
            f"init={init} holds the network {_describe(trained.model)}, but this run has {_describe(model)}; "
            f"use model={trained.model['name']}, or omit model=…"
        )
    network.load_state_dict(trained.network.state_dict())
    name = BUNDLED if init == BUNDLED else str(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return InitialWeights(name, sha256, trained.temperature)


def initial_model(init: str) -> dict[str, Any]:
    """The settings of the network in a checkpoint.

    Raises InputError if `init` is not exactly one checkpoint of a training, or if it cannot be read."""
    _, trained = _read(init)
    return trained.model


def _read(init: str) -> tuple[Path, TrainedNetwork]:
    try:
        paths = find_checkpoints(init)
        if len(paths) > 1:
            raise InputError(f"matches {len(paths)} checkpoints; give one")
        [path] = paths
        if path.suffix.lower() == ".onnx":
            raise InputError("an ONNX model cannot be trained; give the checkpoint (.ckpt) that it was exported from")
        return path, read_network(path)
    except InputError as error:
        reason = str(error).removeprefix(f"{init}: ")
        raise InputError(f"init={init}: {reason}") from None


def _describe(model: Mapping[str, Any]) -> str:
    """The name of a network, with its options if it has any."""
    options = [f"{key}={value}" for key, value in model.items() if key != "name"]
    return " ".join([str(model.get("name")), *options])

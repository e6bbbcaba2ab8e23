"""From checkpoints to probabilities: one network or several, on each digit as it is or on moved copies of it."""

from collections import Counter
from collections.abc import Sequence
from math import cos, radians, sin
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from digits.devices import default_precision, resolve_device
from digits.errors import InputError
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.runs.checkpoint import find_checkpoints, read_checkpoint

# How far a copy for test-time augmentation is moved at most.
DEGREES, PIXELS, SCALE = 7.0, 1.5, 0.05


class Predictions(NamedTuple):
    """What a classifier says of N digits."""

    probabilities: Tensor
    """float32 [N, 10]: the mean over networks and copies."""
    networks_disagree: Tensor
    """bool [N]: not all networks say the same."""
    copies_disagree: Tensor
    """bool [N]: a network does not say the same of all copies."""


def load_classifier(
    checkpoint: str | Path | Sequence[str | Path],
    *,
    tta: int = 1,
    seed: int = 0,
    accelerator: str = "auto",
    precision: str = "auto",
) -> "Classifier":
    """The classifier that checkpoints hold, ready to predict. Each is a `.ckpt` or `.onnx` file, a run's folder or a
    glob; several make an ensemble. `accelerator` is auto, cpu, gpu or mps; `precision` is auto, 32-true, bf16-mixed
    or 16-mixed.

    Raises InputError for files that are missing, damaged or not of this project. No code in them is executed.
    """
    paths = find_checkpoints(checkpoint)
    classifier = Classifier([_load_member(path) for path in paths], tta=tta, seed=seed)
    if all(path.suffix == ".onnx" for path in paths):  # ONNX Runtime computes them, on the CPU
        return classifier
    classifier.precision = default_precision(accelerator) if precision == "auto" else precision
    return classifier.to(resolve_device(accelerator))


class Classifier(nn.Module):
    """The mean of the probabilities that `members` give, over `tta` copies of each digit. The first copy is the digit
    itself, the others are turned, shifted and scaled a little: the same few moves for every digit, drawn with `seed`,
    whatever else is in its batch.
    """

    def __init__(self, members: Sequence["Member"], *, tta: int = 1, seed: int = 0) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.moves: Tensor
        self.register_buffer("moves", _draw_moves(tta - 1, seed))
        self.precision = "32-true"
        self.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """The names of its networks."""
        counts = Counter(str(member.name) for member in self.members)
        return " + ".join(name if count == 1 else f"{count} × {name}" for name, count in counts.items())

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        return self.votes(images).mean((0, 1))

    def votes(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [members, copies, N, 10]."""
        copies = [images, *(_moved(images, move) for move in self.moves)]
        return torch.stack([torch.stack([member(copy) for copy in copies]) for member in self.members])

    def predict(self, images: Tensor | np.ndarray[Any, Any], batch_size: int = 128) -> Tensor:
        """Images uint8 [N, 28, 28] of any number, white ink on black as in MNIST, to probabilities float32 [N, 10]
        on the CPU."""
        return self.answer(images, batch_size).probabilities

    def answer(self, images: Tensor | np.ndarray[Any, Any], batch_size: int = 128) -> Predictions:
        """As `predict`, with what networks and copies disagreed on."""
        images = torch.as_tensor(images)
        if images.dtype != torch.uint8 or images.shape[1:] != (28, 28):
            raise InputError(f"images must be uint8 [N, 28, 28], not {images.dtype} {list(images.shape)}")
        if not len(images):
            return Predictions(torch.empty(0, 10), *torch.empty(2, 0, dtype=torch.bool))
        device = self.moves.device
        answers = []
        with torch.inference_mode(), torch.autocast(device.type, **AUTOCAST[self.precision]):
            for batch in images.split(batch_size):
                votes = self.votes(batch.to(device))
                labels = votes.argmax(-1)
                by_network = votes.mean(1).argmax(-1)
                answers.append(
                    Predictions(
                        votes.mean((0, 1)),
                        (by_network != by_network[:1]).any(0),
                        (labels != labels[:, :1]).any(1).any(0),
                    )
                )
        whole = Predictions(*(torch.cat(parts).cpu() for parts in zip(*answers, strict=True)))
        if not whole.probabilities.isfinite().all():
            raise InputError(f"{self.name}: its answers are not finite numbers; its weights must be damaged")
        return whole


class Member(nn.Module):
    """A trained network between the scaling of its input and a softmax at its temperature."""

    def __init__(self, name: str, network: nn.Module, temperature: float | None) -> None:
        super().__init__()
        self.name = name
        self.network = network
        self.temperature = temperature

    @property
    def calibrated(self) -> bool:
        """Whether its probabilities are those of being right, as far as validation digits could tell."""
        return self.temperature is not None

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        logits: Tensor = self.network(scale_images(images))
        return (logits.float() / (1.0 if self.temperature is None else self.temperature)).softmax(1)


AUTOCAST: dict[str, dict[str, Any]] = {
    "32-true": {"enabled": False},
    "bf16-mixed": {"dtype": torch.bfloat16},
    "16-mixed": {"dtype": torch.float16},
}


def _load_member(path: Path) -> Member:
    if path.suffix == ".onnx":
        from digits.prediction.export import OnnxMember  # only here: few need it

        return OnnxMember(path)
    checkpoint = read_checkpoint(path)
    ours, weights = checkpoint["digits"], checkpoint["state_dict"]
    try:
        name = str(ours["config"]["model"]["name"])
        network = build_network(**ours["config"]["model"])
        prefix = "network."
        kept = {key.removeprefix(prefix): weights[key] for key in weights if key.startswith(prefix)}
        if any(weight.is_complex() for weight in kept.values()):
            raise TypeError
        network.load_state_dict(kept)
        temperature = ours.get("temperature")
        if temperature is not None and not (type(temperature) is float and 0.01 < temperature < 100):
            raise ValueError(temperature)
        member = Member(name, folded(network.eval()), temperature)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError):
        raise InputError(f"{path}: damaged; its weights are not those of the network that it names") from None
    if not all(weight.isfinite().all() for weight in kept.values()):
        raise InputError(f"{path}: holds weights that are not finite numbers; its training diverged")
    return member


def folded(network: nn.Sequential) -> nn.Sequential:
    """The same function in evaluation, each batch normalisation multiplied into the convolution before it:
    `compact_cnn` predicts 1.3 times as fast."""
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(layers[-1], nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def _draw_moves(count: int, seed: int) -> Tensor:
    """Affine matrices float32 [count, 2, 3], in the coordinates of `affine_grid`: −1 to 1 across the image."""
    turns = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    moves = []
    for turn, right, down, growth in turns.tolist():
        angle, scale = radians(DEGREES * turn), 1 + SCALE * growth
        shift = [2 * PIXELS / 28 * right, 2 * PIXELS / 28 * down]
        moves.append(
            [
                [cos(angle) / scale, -sin(angle) / scale, shift[0]],
                [sin(angle) / scale, cos(angle) / scale, shift[1]],
            ]
        )
    return torch.tensor(moves).reshape(count, 2, 3)


def _moved(images: Tensor, move: Tensor) -> Tensor:
    """Each image moved as the affine matrix says, uint8 [N, 28, 28] again."""
    pixels = images[:, None].float()
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 coordinates would be off
        grid = F.affine_grid(move.expand(len(images), 2, 3), list(pixels.shape), align_corners=False)
        return F.grid_sample(pixels, grid, align_corners=False)[:, 0].round().to(torch.uint8)

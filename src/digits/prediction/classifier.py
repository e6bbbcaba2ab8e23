"""Ensemble prediction: the mean probability over networks, and over augmented views of each image."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from digits.devices import default_precision, resolve_device
from digits.errors import InputError
from digits.prediction.members import AUTOCAST, Member, OnnxMember, load_member
from digits.prediction.tta import apply_affine, sample_tta_transforms
from digits.runs.checkpoint import BUNDLED, find_checkpoints

Images = Tensor | np.ndarray[Any, Any]


def load_classifier(
    checkpoint: str | Path | Sequence[str | Path] = BUNDLED,
    *,
    tta: int = 1,
    seed: int = 0,
    accelerator: str = "auto",
    precision: str = "auto",
) -> "Classifier":
    """Loads the network of this package, or a classifier from a `.ckpt` or `.onnx` file, a run's folder or a glob;
    several of them make an ensemble. ONNX models alone stay on the CPU, where ONNX Runtime runs them.
    `accelerator` is auto, cpu, gpu or mps; `precision` is auto, 32-true, bf16-mixed or 16-mixed.

    Raises InputError for files that are missing, damaged or not from this project. No code in them is executed."""
    paths = find_checkpoints(checkpoint)
    device = resolve_device(accelerator)
    members = [load_member(path) for path in paths]
    if all(isinstance(member, OnnxMember) for member in members):
        return Classifier(members, tta=tta, seed=seed)
    if precision == "auto":
        precision = default_precision(device.type)
    return Classifier(members, tta=tta, seed=seed, precision=precision).to(device)


class Predictions(NamedTuple):
    """Predictions for N images."""

    probabilities: Tensor
    """float32 [N, 10]: the mean over members and views"""
    members_disagree: Tensor
    """bool [N]: members predict different labels"""
    views_disagree: Tensor
    """bool [N]: a member predicts different labels for different views"""


class Classifier(nn.Module):
    """Averages the probabilities of its members over `tta` views of each image. View 0 is the image itself. The others
    apply affine transforms drawn once from `seed`, so a prediction does not depend on the rest of its batch.
    `precision` is 32-true, bf16-mixed or 16-mixed."""

    def __init__(self, members: Sequence[Member], *, tta: int = 1, seed: int = 0, precision: str = "32-true") -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.tta_transforms: Tensor
        self.register_buffer("tta_transforms", sample_tta_transforms(tta - 1, seed))
        self.precision = precision
        self.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """The names of its members."""
        counts = Counter(str(member.name) for member in self.members)
        parts = [name if count == 1 else f"{count} × {name}" for name, count in counts.items()]
        return " + ".join(parts)

    @property
    def calibrated(self) -> bool:
        """Whether all members are."""
        return all(member.calibrated for member in self.members)

    @property
    def device(self) -> torch.device:
        return self.tta_transforms.device

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        return self.probabilities_per_view(images).mean((0, 1))

    def probabilities_per_view(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [members, views, N, 10]."""
        views = [images, *(apply_affine(images, transform) for transform in self.tta_transforms)]
        return torch.stack([_stack_views(member, views) for member in self.members])

    def predict(self, images: Images, batch_size: int = 128) -> Tensor:
        """Images uint8 [N, 28, 28], white ink on black as in MNIST, to probabilities float32 [N, 10] on the CPU."""
        return self.predict_with_agreement(images, batch_size).probabilities

    def predict_with_agreement(self, images: Images, batch_size: int = 128) -> Predictions:
        """As `predict`, with the disagreements of members and views."""
        images = _as_tensor(images)
        if len(images) == 0:
            no_disagreement = torch.empty(0, dtype=torch.bool)
            return Predictions(torch.empty(0, 10), no_disagreement, no_disagreement)
        images = images.to(self.device)  # at once: a copy per batch would wait for a GPU
        with torch.inference_mode(), torch.autocast(self.device.type, **AUTOCAST[self.precision]):
            batches = [_combine(self.probabilities_per_view(batch)) for batch in images.split(batch_size)]
        predictions = _concatenate(batches)
        if not predictions.probabilities.isfinite().all():
            raise InputError(f"{self.name}: its probabilities are not finite numbers; its weights must be damaged")
        return predictions


def _as_tensor(images: Images) -> Tensor:
    """Raises InputError if the images are not uint8 [N, 28, 28]."""
    if not isinstance(images, Tensor):
        images = np.asarray(images)
    if images.dtype not in (torch.uint8, np.uint8) or images.shape[1:] != (28, 28):
        raise InputError(f"images must be uint8 [N, 28, 28], not {images.dtype} {list(images.shape)}")
    if isinstance(images, Tensor):
        return images
    # Copies a read-only array, of which PyTorch warns, and one with a negative stride, which PyTorch refuses.
    return torch.from_numpy(np.require(images, requirements=["C", "W"]))


def _stack_views(member: nn.Module, views: Sequence[Tensor]) -> Tensor:
    """The probabilities float32 [views, N, 10] of one member."""
    return torch.stack([member(view) for view in views])


def _combine(probabilities: Tensor) -> Predictions:
    """Probabilities float32 [members, views, N, 10] to predictions for N images."""
    labels = probabilities.argmax(-1)
    member_labels = probabilities.mean(1).argmax(-1)
    members_disagree = (member_labels != member_labels[:1]).any(0)
    views_disagree = (labels != labels[:, :1]).any(1).any(0)
    return Predictions(probabilities.mean((0, 1)), members_disagree, views_disagree)


def _concatenate(batches: Sequence[Predictions]) -> Predictions:
    """The predictions of all batches on the CPU."""
    probabilities, members_disagree, views_disagree = zip(*batches, strict=True)
    return Predictions(
        torch.cat(probabilities).cpu(), torch.cat(members_disagree).cpu(), torch.cat(views_disagree).cpu()
    )

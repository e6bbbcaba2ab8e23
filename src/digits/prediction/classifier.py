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


def load_classifier(
    checkpoint: str | Path | Sequence[str | Path] = BUNDLED,
    *,
    tta: int = 1,
    seed: int = 0,
    accelerator: str = "auto",
    precision: str = "auto",
) -> "Classifier":
    """Loads the network of this package, or a classifier from a `.ckpt` or `.onnx` file, a run's folder or a glob;
    several of them make an ensemble.
    `accelerator` is auto, cpu, gpu or mps; `precision` is auto, 32-true, bf16-mixed or 16-mixed.

    Raises InputError for files that are missing, damaged or not from this project. No code in them is executed."""
    paths, device = find_checkpoints(checkpoint), resolve_device(accelerator)
    return Classifier.from_checkpoints(paths, device, precision=precision, tta=tta, seed=seed)


class Predictions(NamedTuple):
    """Predictions for N images."""

    probabilities: Tensor  # float32 [N, 10]: the mean over members and views
    members_disagree: Tensor  # bool [N]: members predict different labels
    views_disagree: Tensor  # bool [N]: a member predicts different labels for different views


class Classifier(nn.Module):
    """Averages the probabilities of its members over `tta` views of each image. View 0 is the image itself. The others
    apply affine transforms drawn once from `seed`, so a prediction does not depend on the rest of its batch."""

    def __init__(self, members: Sequence[Member], *, tta: int = 1, seed: int = 0) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.tta_transforms: Tensor
        self.register_buffer("tta_transforms", sample_tta_transforms(tta - 1, seed))
        self.precision = "32-true"
        self.eval().requires_grad_(False)

    @classmethod
    def from_checkpoints(
        cls, paths: Sequence[Path], device: torch.device, *, precision: str = "auto", tta: int = 1, seed: int = 0
    ) -> "Classifier":
        """Loads a member from each file. ONNX models alone stay on the CPU, where ONNX Runtime runs them."""
        classifier = cls([load_member(path) for path in paths], tta=tta, seed=seed)
        if all(isinstance(member, OnnxMember) for member in classifier.members):
            return classifier
        classifier.precision = default_precision(device.type) if precision == "auto" else precision
        return classifier.to(device)

    @property
    def name(self) -> str:
        """The names of its members."""
        counts = Counter(str(member.name) for member in self.members)
        return " + ".join(name if count == 1 else f"{count} × {name}" for name, count in counts.items())

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        return self.probabilities_per_view(images).mean((0, 1))

    def probabilities_per_view(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [members, views, N, 10]."""
        views = [images, *(apply_affine(images, transform) for transform in self.tta_transforms)]
        return torch.stack([torch.stack([member(view) for view in views]) for member in self.members])

    def predict(self, images: Tensor | np.ndarray[Any, Any], batch_size: int = 128) -> Tensor:
        """Images uint8 [N, 28, 28], white ink on black as in MNIST, to probabilities float32 [N, 10] on the CPU."""
        return self.predict_with_agreement(images, batch_size).probabilities

    def predict_with_agreement(self, images: Tensor | np.ndarray[Any, Any], batch_size: int = 128) -> Predictions:
        """As `predict`, with the disagreements of members and views."""
        if not isinstance(images, Tensor):
            images = np.asarray(images)
        if images.dtype not in (torch.uint8, np.uint8) or images.shape[1:] != (28, 28):
            raise InputError(f"images must be uint8 [N, 28, 28], not {images.dtype} {list(images.shape)}")
        if isinstance(images, np.ndarray):
            # Copies a read-only array, of which PyTorch warns, and one with a negative stride, which PyTorch refuses.
            images = torch.from_numpy(np.require(images, requirements=["C", "W"]))
        if not len(images):
            return Predictions(torch.empty(0, 10), *torch.empty(2, 0, dtype=torch.bool))
        device = self.tta_transforms.device
        images = images.to(device)  # at once: a copy per batch would wait for a GPU
        with torch.inference_mode(), torch.autocast(device.type, **AUTOCAST[self.precision]):
            batches = [_combine(self.probabilities_per_view(batch)) for batch in images.split(batch_size)]
        predictions = Predictions(*(torch.cat(parts).cpu() for parts in zip(*batches, strict=True)))
        if not predictions.probabilities.isfinite().all():
            raise InputError(f"{self.name}: its probabilities are not finite numbers; its weights must be damaged")
        return predictions


def _combine(probabilities: Tensor) -> Predictions:
    """Probabilities float32 [members, views, N, 10] to predictions for N images."""
    labels, member_labels = probabilities.argmax(-1), probabilities.mean(1).argmax(-1)
    members_disagree = (member_labels != member_labels[:1]).any(0)
    return Predictions(probabilities.mean((0, 1)), members_disagree, (labels != labels[:, :1]).any(1).any(0))

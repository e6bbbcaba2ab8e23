"""Ensemble prediction: the mean probability over networks, and over augmented views of each image."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from digits.errors import InputError
from digits.prediction.members import Member, load_member
from digits.prediction.tta import apply_view, sample_views
from digits.runs.find_checkpoints import BUNDLED, find_checkpoints

if TYPE_CHECKING:
    from torch import Tensor

    from digits.prediction.read import Picture, Reading

Images: TypeAlias = "NDArray[np.uint8] | Tensor"


def load_classifier(
    checkpoint: str | Path | Sequence[str | Path] = BUNDLED,
    *,
    tta: int = 1,
    seed: int = 0,
    accelerator: str = "auto",
    precision: str = "auto",
    needs_pytorch: bool = False,
) -> "Classifier":
    """Loads the network of this package, or a classifier from a `.ckpt` or `.onnx` file, a run's folder or a glob;
    several of them make an ensemble. `accelerator` is auto, cpu, gpu or mps; `precision` is auto, 32-true, bf16-mixed
    or 16-mixed.

    ONNX models run on the CPU in ONNX Runtime, checkpoints in PyTorch. The network of this package has both forms. It
    runs in PyTorch if an accelerator or a precision other than float32 is chosen, or with `needs_pytorch`.

    Raises InputError for files that are missing, damaged or not from this project. No code in them is executed."""
    members = []
    for path in find_checkpoints(checkpoint):
        members.append(load_member(path, accelerator=accelerator, precision=precision, needs_pytorch=needs_pytorch))
    return Classifier(members, tta=tta, seed=seed)


class Predictions(NamedTuple):
    """Predictions for N images."""

    probabilities: NDArray[np.float32]
    """[N, 10]: the mean over members and views"""
    members_disagree: NDArray[np.bool_]
    """[N]: members predict different labels"""
    views_disagree: NDArray[np.bool_]
    """[N]: a member predicts different labels for different views"""


class Classifier:
    """Averages the probabilities of its members over `tta` views of each image. View 0 is the image itself. The others
    apply affine transforms drawn once from `seed`, so a prediction does not depend on the rest of its batch."""

    def __init__(self, members: Sequence[Member], *, tta: int = 1, seed: int = 0) -> None:
        self.members = list(members)
        self.views = sample_views(tta - 1, seed)

    @property
    def name(self) -> str:
        """The names of its members."""
        counts = Counter(member.name for member in self.members)
        parts = [name if count == 1 else f"{count} × {name}" for name, count in counts.items()]
        return " + ".join(parts)

    @property
    def hardware(self) -> str:
        """What computes its members."""
        return " + ".join(dict.fromkeys(member.hardware for member in self.members))

    @property
    def calibrated(self) -> bool:
        """Whether all members are."""
        return all(member.calibrated for member in self.members)

    def predict(self, images: Images, batch_size: int = 128) -> NDArray[np.float32]:
        """Images uint8 [N, 28, 28], white ink on black as in MNIST, to probabilities float32 [N, 10]."""
        return self.predict_with_agreement(images, batch_size).probabilities

    def read(self, picture: "Picture") -> "Reading":
        """The digit of a picture: a path, the content of a file, an open file, a picture of Pillow or an array.

        Raises InputError for a picture that cannot be decoded, is blank, or shows no digit or several."""
        from digits.prediction.read import read_digit  # imported late: digits of a file need no SciPy

        return read_digit(picture, self.predict)

    def predict_with_agreement(self, images: Images, batch_size: int = 128) -> Predictions:
        """As `predict`, with the disagreements of members and views."""
        images = _as_array(images)
        sums = np.zeros((len(self.members), len(images), 10), np.float32)
        views_disagree = np.zeros(len(images), bool)
        labels = []  # of each member for the images themselves
        for member, total in zip(self.members, sums, strict=True):
            total += member.predict(images, batch_size)
            labels.append(total.argmax(1))
        for view in self.views:
            seen = apply_view(view, images)
            for index, member in enumerate(self.members):
                probabilities = member.predict(seen, batch_size)
                sums[index] += probabilities
                views_disagree |= probabilities.argmax(1) != labels[index]
        member_labels = sums.argmax(2)
        members_disagree = (member_labels != member_labels[0]).any(0)
        mean = sums.mean(0) / (1 + len(self.views))
        if not np.isfinite(mean).all():
            raise InputError(f"{self.name}: its probabilities are not finite numbers; its weights must be damaged")
        return Predictions(mean, members_disagree, views_disagree)


def _as_array(images: Any) -> NDArray[np.uint8]:
    """Raises InputError if the images are not uint8 [N, 28, 28]."""
    if hasattr(images, "cpu"):  # a tensor, perhaps on a GPU; PyTorch may not be installed
        images = images.cpu()
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.shape[1:] != (28, 28):
        raise InputError(f"images must be uint8 [N, 28, 28], not {array.dtype} {list(array.shape)}")
    return array

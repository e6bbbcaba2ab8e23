"""The digits of pictures: the bundled network chooses among the hypotheses."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

from digits.data.pictures.choose import choose
from digits.devices import default_precision
from digits.errors import InputError
from digits.prediction.chunks import DigitChunk, DigitSource, Picture, PictureChunk
from digits.prediction.classifier import Classifier
from digits.prediction.members import Member, load_member
from digits.runs.checkpoint import BUNDLED_PATH


def load_judge(classifier: Classifier | None = None, checkpoints: Sequence[Path] = ()) -> Classifier:
    """The bundled network on the CPU, so that a GPU changes no choice. It is copied from `classifier`, whose members
    are `checkpoints`, if it is one of them."""
    if classifier is not None and BUNDLED_PATH in checkpoints:
        member = deepcopy(classifier.members[checkpoints.index(BUNDLED_PATH)]).to("cpu")
        assert isinstance(member, Member)
    else:
        member = load_member(BUNDLED_PATH)
    return Classifier([member], precision=default_precision("cpu"))


def choose_digits(chunk: PictureChunk, judge: Classifier, *, several: bool = False) -> DigitChunk:
    """The digits of pictures, with an error for each picture without one. With `several`, a picture of several digits
    gives the digit with the most ink. Without it, the picture is refused."""
    readable = [picture for picture in chunk.pictures if isinstance(picture, Picture)]
    chosen = choose([picture.hypotheses for picture in readable], judge.predict)
    hypothesis_of = {picture.file: hypothesis for picture, hypothesis in zip(readable, chosen, strict=True)}
    images, labels, sources, errors = [], [], [], []
    for picture in chunk.pictures:
        if isinstance(picture, InputError):
            errors.append(str(picture))
            continue
        hypothesis = hypothesis_of[picture.file]
        if hypothesis is None:
            errors.append(f"{picture.file}: nothing like a digit found")
        elif len(hypothesis.digits) > 1 and not several:
            count = len(hypothesis.digits)
            errors.append(f"{picture.file}: seems to hold {count} digits; cut one out, or add several=true")
        else:
            images.append(hypothesis.digits[0])
            labels.append(picture.label)
            sources.append(DigitSource(picture.file, hypothesis.description, picture.thumbnail))
    stacked = torch.from_numpy(np.array(images, np.uint8).reshape(-1, 28, 28))
    known = [label for label in labels if label is not None]
    stacked_labels = torch.tensor(known) if labels and len(known) == len(labels) else None
    return DigitChunk(stacked, stacked_labels, chunk.progress, sources, errors)

"""The most convincing hypothesis about each picture, judged by the bundled network."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from digits.data.pictures.masks import Array
from digits.data.pictures.normalize import Hypothesis
from digits.devices import default_precision
from digits.errors import InputError
from digits.prediction.chunks import DigitChunk, DigitSource, Picture, PictureChunk
from digits.prediction.classifier import Classifier
from digits.prediction.members import Member, load_member
from digits.runs.checkpoint import BUNDLED_PATH

MARGIN = 0.05  # a simpler hypothesis wins unless another with the same label is more convincing by this much
CONVINCING, CONVINCING_OTHER = 0.7, 0.5  # minimum confidence of one digit, and of others beside it
MIN_AGREEMENT = 0.38  # minimum mean probability of the label over the hypotheses of its polarity


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
    chosen = choose([picture.hypotheses for picture in readable], judge)
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


def choose(pictures: Sequence[Sequence[Hypothesis]], judge: Classifier) -> list[Hypothesis | None]:
    """One hypothesis for each picture, from its hypotheses, the simplest first. All are judged in one batch.

    The hypotheses of one digit vote for labels with their probabilities; the simplest convincing one with the winning
    label is chosen. Several digits are chosen instead if a third of these hypotheses have another digit apart from
    theirs, or if no hypothesis is convincing as one digit, but all parts of one are. None is chosen if the hypotheses
    of the same polarity do not agree on the label."""
    if not pictures:
        return []
    images = [hypothesis.digits for hypotheses in pictures for hypothesis in hypotheses]
    probabilities = judge.predict(np.concatenate(images)).numpy()
    chosen = []
    start = 0
    for hypotheses in pictures:
        candidates = []
        for hypothesis in hypotheses:
            end = start + len(hypothesis.digits)
            candidates.append(Candidate(hypothesis, probabilities[start:end]))
            start = end
        chosen.append(_choose(candidates))
    return chosen


@dataclass(frozen=True)
class Candidate:
    """A hypothesis with the probabilities float32 [K, 10] of its K digits."""

    hypothesis: Hypothesis
    probabilities: Array

    @property
    def is_single(self) -> bool:
        return len(self.probabilities) == 1

    @property
    def confidences(self) -> Array:
        """The highest probability of each digit, float32 [K]."""
        confidences: Array = self.probabilities.max(1)
        return confidences

    def vote(self, label: int) -> float:
        """The probability of this label for a single digit."""
        vote: float = self.probabilities[0, label]
        return vote

    def is_convincing(self, label: int) -> bool:
        """Whether this is a single digit with this label."""
        return self.is_single and self.vote(label) >= CONVINCING


def _choose(candidates: Sequence[Candidate]) -> Hypothesis | None:
    single = [candidate for candidate in candidates if candidate.is_single]
    label = _winning_label(single)
    if any(candidate.is_convincing(label) for candidate in single):
        several = _digits_apart(candidates, label)
    else:
        several = _convincing_parts(candidates)
    if several is not None:
        return several.hypothesis
    chosen = _single_digit(single, label)
    votes = [one.vote(label) for one in single if one.hypothesis.dark == chosen.hypothesis.dark]
    return chosen.hypothesis if np.mean(votes) >= MIN_AGREEMENT else None


def _winning_label(single: Sequence[Candidate]) -> int:
    votes = np.stack([candidate.probabilities[0] for candidate in single])
    return int((votes**3).sum(0).argmax())  # doubtful votes count little


def _digits_apart(candidates: Sequence[Candidate], label: int) -> Candidate | None:
    """The simplest candidate of several digits, if a third of the convincing single digits have another digit apart."""
    convincing = sum(candidate.is_convincing(label) for candidate in candidates)
    found = []
    # Behind a single digit comes this digit with those that lie apart from it.
    for candidate, following in pairwise(candidates):
        if not candidate.is_convincing(label) or not following.hypothesis.apart:
            continue
        if (following.confidences >= CONVINCING_OTHER).sum() > 1:
            found.append(following)
    return found[0] if len(found) >= convincing / 3 else None


def _convincing_parts(candidates: Sequence[Candidate]) -> Candidate | None:
    """The simplest candidate whose parts, which may also be strokes of one digit, are all convincing digits."""
    for candidate in candidates:
        if candidate.is_single or candidate.hypothesis.apart:
            continue
        if candidate.confidences.min() >= CONVINCING:
            return candidate
    return None


def _single_digit(single: Sequence[Candidate], label: int) -> Candidate:
    """The simplest candidate that is about as convincing as the best."""
    highest = max(candidate.vote(label) for candidate in single)
    return next(candidate for candidate in single if candidate.vote(label) >= highest - MARGIN)

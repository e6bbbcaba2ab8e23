"""The most convincing hypothesis about each picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # it imports SciPy, which a file of digits does not need
    from digits.data.pictures.normalize import Hypothesis

Predict: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Images [N, 28, 28] to probabilities [N, 10]."""

MARGIN = 0.05  # a simpler hypothesis wins unless another with the same label is more convincing by this much
CONVINCING, CONVINCING_OTHER = 0.7, 0.5  # minimum confidence of one digit, and of others beside it
MIN_AGREEMENT = 0.38  # minimum mean probability of the label over the hypotheses of its polarity


def choose(pictures: Sequence[Sequence["Hypothesis"]], predict: Predict) -> list["Hypothesis | None"]:
    """One hypothesis for each picture, from its hypotheses, the simplest first. `predict` judges all in one batch.

    The hypotheses of one digit vote for labels with their probabilities; the simplest convincing one with the winning
    label is chosen. Several digits are chosen instead if a third of these hypotheses have another digit apart from
    theirs, or if no hypothesis is convincing as one digit, but all parts of one are. None is chosen if the hypotheses
    of the same polarity do not agree on the label."""
    if not pictures:
        return []
    images = [hypothesis.digits for hypotheses in pictures for hypothesis in hypotheses]
    probabilities = predict(np.concatenate(images))
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

    hypothesis: "Hypothesis"
    probabilities: NDArray[np.float32]

    @property
    def is_single(self) -> bool:
        return len(self.probabilities) == 1

    @property
    def confidences(self) -> NDArray[np.float32]:
        """The highest probability of each digit, float32 [K]."""
        confidences: NDArray[np.float32] = self.probabilities.max(1)
        return confidences

    def vote(self, label: int) -> float:
        """The probability of this label for a single digit."""
        vote: float = self.probabilities[0, label]
        return vote

    def is_convincing(self, label: int) -> bool:
        """Whether this is a single digit with this label."""
        return self.is_single and self.vote(label) >= CONVINCING


def _choose(candidates: Sequence[Candidate]) -> "Hypothesis | None":
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
    if not found:
        return None
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

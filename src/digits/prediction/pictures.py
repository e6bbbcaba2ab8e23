"""The most convincing hypothesis about each picture, judged by the bundled network."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from digits.data.pictures.masks import Array
from digits.data.pictures.normalize import Hypothesis
from digits.prediction.classifier import Classifier, load_classifier

MARGIN = 0.05  # a simpler hypothesis wins unless another with the same label is more convincing by this much
CONVINCING, CONVINCING_OTHER = 0.7, 0.5  # minimum confidence of one digit, and of others beside it
MIN_AGREEMENT = 0.38  # minimum mean probability of the label over the hypotheses of its polarity


def choose(pictures: Mapping[str, Sequence[Hypothesis]]) -> dict[str, Hypothesis | None]:
    """One hypothesis for each picture, from its hypotheses, the simplest first. All are judged in one batch.

    The hypotheses of one digit vote for labels with their probabilities; the simplest convincing one with the winning
    label is chosen. Several digits are chosen instead if a third of these hypotheses have another digit apart from
    theirs, or if no hypothesis is convincing as one digit, but all parts of one are. None is chosen if the hypotheses
    of the same polarity do not agree on the label."""
    digits = [hypothesis.digits for hypotheses in pictures.values() for hypothesis in hypotheses]
    if not digits:
        return {}
    probabilities = _bundled().predict(np.concatenate(digits)).numpy()
    ends = np.cumsum([len(several) for several in digits])
    parts = iter(np.split(probabilities, ends[:-1]))
    return {path: _choose(hypotheses, [next(parts) for _ in hypotheses]) for path, hypotheses in pictures.items()}


def _choose(hypotheses: Sequence[Hypothesis], probabilities: Sequence[Array]) -> Hypothesis | None:
    """`probabilities` float32 [K, 10] of the digits of each hypothesis."""
    single = [index for index, values in enumerate(probabilities) if len(values) == 1]
    votes = np.stack([probabilities[index][0] for index in single])
    label = (votes**3).sum(0).argmax()  # doubtful votes count little
    votes = votes[:, label]
    confidences = [values.max(1) for values in probabilities]
    convincing = [index for index, vote in zip(single, votes, strict=True) if vote >= CONVINCING]
    if convincing:
        apart = [index + 1 for index in convincing if index + 1 < len(hypotheses) and hypotheses[index + 1].apart]
        several = [index for index in apart if (confidences[index] >= CONVINCING_OTHER).sum() > 1]
        if len(several) >= len(convincing) / 3:
            return hypotheses[several[0]]
    else:
        for hypothesis, values in zip(hypotheses, confidences, strict=True):
            if len(values) > 1 and not hypothesis.apart and values.min() >= CONVINCING:
                return hypothesis
    chosen = hypotheses[next(index for index, vote in zip(single, votes, strict=True) if vote >= votes.max() - MARGIN)]
    agreement = votes[[hypotheses[index].dark == chosen.dark for index in single]].mean()
    return chosen if agreement >= MIN_AGREEMENT else None


@cache
def _bundled() -> Classifier:
    return load_classifier("bundled", accelerator="cpu")

"""The most convincing hypothesis about each picture, judged by the bundled network."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from digits.data.pictures.normalize import Hypothesis
from digits.data.pictures.segment import Array
from digits.prediction.classifier import Classifier, load_classifier

MARGIN = 0.05  # a simpler hypothesis wins unless another with the same label is more convincing by this much
CONVINCING = 0.7  # the minimum confidence of each of several digits


def choose(pictures: Mapping[str, Sequence[Hypothesis]]) -> dict[str, Hypothesis]:
    """One hypothesis for each picture, from its hypotheses, the simplest first. All are judged in one batch.

    The hypotheses vote for labels with their probabilities; the simplest convincing one with the winning label is
    chosen. Several digits are chosen instead if all of them are convincing and, unless they lie apart, more so than the
    same strokes as one digit."""
    digits = [hypothesis.digits for hypotheses in pictures.values() for hypothesis in hypotheses]
    if not digits:
        return {}
    probabilities = _bundled().predict(np.concatenate(digits)).numpy()
    ends = np.cumsum([len(several) for several in digits])
    parts = iter(np.split(probabilities, ends[:-1]))
    return {path: _choose(hypotheses, [next(parts) for _ in hypotheses]) for path, hypotheses in pictures.items()}


def _choose(hypotheses: Sequence[Hypothesis], probabilities: Sequence[Array]) -> Hypothesis:
    """`probabilities` float32 [K, 10] of the digits of each hypothesis."""
    single = [index for index, hypothesis in enumerate(hypotheses) if len(hypothesis.digits) == 1]
    label = sum(probabilities[index][0] for index in single).argmax()
    best = max(probabilities[index][0, label] for index in single)
    chosen = next(index for index in single if probabilities[index][0, label] >= best - MARGIN)
    if chosen + 1 < len(hypotheses) and len(hypotheses[chosen + 1].digits) > 1:
        parts = probabilities[chosen + 1].max(1).min()
        if parts >= CONVINCING and (hypotheses[chosen + 1].apart or parts > best):
            return hypotheses[chosen + 1]
    return hypotheses[chosen]


@cache
def _bundled() -> Classifier:
    return load_classifier("bundled", accelerator="cpu")

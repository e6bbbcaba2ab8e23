"""MNIST's test set: wrong labels (C. Northcutt et al., arXiv:2103.14749), and the two groups of writers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from digits.evaluation.score import Score

CORRECTED_LABELS = {947: 9, 1621: 6, 1901: 4, 2462: 0, 2597: 3, 3558: 0, 5937: 3, 6651: 6, 6783: 6, 9729: 6}
"""Test digits whose given label is not the one that most people see, and that label."""
UNDECIDED = (2130, 2654, 3520, 8527, 9679)
"""Test digits that people do not agree on, or that show no digit."""
STUDENTS = 5000
"""Students wrote the first 5,000 test digits (NIST's hsf_4), census employees the other 5,000 (Y. LeCun)."""
TITLES = {
    "corrected": "with 10 corrected labels",
    "undisputed": "without 15 disputed digits",
    "students": "students' digits",
    "census": "census employees' digits",
}


def subset_scores(indices: Tensor, labels: Tensor, predicted: Tensor) -> dict[str, Score]:
    """Scores of parts of MNIST's test set by the keys of `TITLES`. Arguments are int64 [N]: positions in the test set,
    given labels, predicted labels."""
    corrected = labels.clone()
    for index, label in CORRECTED_LABELS.items():
        corrected[indices == index] = label
    is_disputed = torch.isin(indices, torch.tensor([*CORRECTED_LABELS, *UNDECIDED]))
    is_student = indices < STUDENTS
    is_wrong = predicted != labels
    parts = {
        "corrected": predicted != corrected,
        "undisputed": is_wrong[~is_disputed],
        "students": is_wrong[is_student],
        "census": is_wrong[~is_student],
    }
    scores = {}
    for name, wrong in parts.items():
        if len(wrong) > 0:
            scores[name] = Score(int(wrong.sum()), len(wrong))
    return scores


def describe_subsets(scores: Mapping[str, Mapping[str, float]]) -> str:
    """One line for scores as in metrics.json."""
    texts = []
    for name, title in TITLES.items():
        if name in scores:
            texts.append(f"{title} {scores[name]['error']:.2%}")
    return ", ".join(texts)

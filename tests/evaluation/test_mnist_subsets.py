"""Scores of parts of MNIST's test set."""

import pytest
import torch

from digits.evaluation.mnist_subsets import CORRECTED_LABELS, UNDECIDED, describe_subsets, subset_scores

INDICES = torch.arange(10_000)
LABELS = torch.zeros(10_000, dtype=torch.int64)


def errors(predicted: torch.Tensor, order: torch.Tensor = INDICES) -> dict[str, tuple[int, int]]:
    scores = subset_scores(order, LABELS[order], predicted[order])
    return {name: (score.errors, score.total) for name, score in scores.items()}


def test_each_mistake_is_counted_in_its_parts() -> None:
    predicted = LABELS.clone()
    predicted[[10, 947, 2130, 5937, 9000]] = torch.tensor([1, 9, 1, 4, 1])
    expected = {  # 947 is a 9, 5937 is a 3, people do not agree on 2130
        "corrected": (10, 10_000),  # 10, 2130, 5937, 9000, and the six other corrected labels that are not 0
        "undisputed": (2, 9_985),
        "students": (3, 5_000),
        "census": (2, 5_000),
    }
    assert errors(predicted) == expected


def test_order_of_the_digits_does_not_matter() -> None:
    predicted = torch.randint(0, 2, (10_000,), generator=torch.Generator().manual_seed(0))
    assert errors(predicted, torch.randperm(10_000)) == errors(predicted)


def test_people_disagree_on_fifteen_digits() -> None:
    assert len({*CORRECTED_LABELS, *UNDECIDED}) == 15


def test_scores_are_described_in_percent() -> None:
    scores = {name: score.as_dict() for name, score in subset_scores(INDICES, LABELS, LABELS).items()}
    assert describe_subsets(scores).startswith("with 10 corrected labels 0.08%, without 15")
    assert scores["corrected"]["error"] == pytest.approx(8 / 10_000)

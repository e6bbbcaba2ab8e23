"""The error rate is counted, whatever the batches."""

import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy, MulticlassHammingDistance

from digits.evaluation.metrics import ErrorRate, MisclassifiedImages
from digits.evaluation.score import Score


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(103, 10, generator=torch.Generator().manual_seed(0))


LABELS = torch.arange(103) % 10


def test_equals_torchmetrics_and_counts_partial_batches(logits: torch.Tensor) -> None:
    metric = ErrorRate()
    peers = MulticlassAccuracy(10, average="micro"), MulticlassHammingDistance(10, average="micro")
    for batch in torch.arange(103).split(25):  # the last one has 3
        metric.update(logits[batch], LABELS[batch])
        for peer in peers:
            peer.update(logits[batch], LABELS[batch])
    score = metric.compute()
    assert score.total == 103
    assert score.errors == int((logits.argmax(1) != LABELS).sum())
    assert score.error == pytest.approx(1 - peers[0].compute().item())
    assert score.error == pytest.approx(peers[1].compute().item())
    assert score.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, LABELS).item(), rel=1e-5)


def test_reset_forgets(logits: torch.Tensor) -> None:
    metric = ErrorRate()
    metric.update(logits, LABELS)
    metric.reset()
    metric.update(logits[:10], logits[:10].argmax(1))
    assert metric.compute()[:2] == (0, 10)


def test_score_is_shown_with_counts_and_interval() -> None:
    assert str(Score(31, 10_000, 0.01)) == "0.31% (31/10,000, 95% interval 0.22–0.44%)"
    low, high = Score(0, 500, 0.0).interval
    assert low == 0
    assert high == pytest.approx(0.0076, abs=1e-4)
    assert Score(31, 10_000, 0.01).as_dict().keys() == {"errors", "total", "error", "low", "high", "loss"}


def test_mistakes_are_all_there_surest_first(logits: torch.Tensor) -> None:
    images = torch.arange(103, dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)
    metric = MisclassifiedImages()
    for batch in torch.arange(103).split(25):
        metric.update(images[batch], logits[batch], LABELS[batch])
    mistakes = metric.compute()
    wrong = (logits.argmax(1) != LABELS).nonzero().flatten().tolist()
    indices = mistakes["images"][:, 0, 0].long()
    assert sorted(indices.tolist()) == wrong
    assert torch.equal(mistakes["labels"], LABELS[indices])
    assert torch.equal(mistakes["predicted"], logits.argmax(1)[indices])
    assert torch.equal(mistakes["confidence"], logits.softmax(1).amax(1)[indices])
    assert torch.equal(mistakes["confidence"], mistakes["confidence"].sort(descending=True).values)


def test_no_mistakes_is_a_result_too(logits: torch.Tensor) -> None:
    metric = MisclassifiedImages()
    metric.update(torch.zeros(103, 28, 28, dtype=torch.uint8), logits, logits.argmax(1))
    assert metric.compute()["images"].shape == (0, 28, 28)

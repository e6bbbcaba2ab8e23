"""The error rate is counted, independent of batch sizes."""

import pytest
import torch
from scipy.stats import binomtest
from torchmetrics.classification import MulticlassAccuracy, MulticlassHammingDistance

from digits.evaluation.metrics import ErrorRate
from digits.evaluation.score import Score

LOGITS = torch.randn(103, 10, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(103) % 10
BATCHES = torch.arange(103).split(25)  # the last one has 3


def test_error_rate_equals_torchmetrics_with_a_partial_batch() -> None:
    metric = ErrorRate()
    peers = MulticlassAccuracy(10, average="micro"), MulticlassHammingDistance(10, average="micro")
    for batch in BATCHES:
        for each in (metric, *peers):
            each.update(LOGITS[batch], LABELS[batch])
    score = metric.compute()
    assert (score.errors, score.total) == (int((LOGITS.argmax(1) != LABELS).sum()), 103)
    assert score.error == pytest.approx(1 - peers[0].compute().item())
    assert score.error == pytest.approx(peers[1].compute().item())
    assert score.means["loss"] == pytest.approx(torch.nn.functional.cross_entropy(LOGITS, LABELS).item(), rel=1e-5)


def test_score_is_printed_with_counts_and_interval() -> None:
    assert str(Score(31, 10_000)) == "0.31% (31/10,000, 95% interval 0.22–0.44%)"
    assert Score(0, 500).interval == (0, pytest.approx(0.0076, abs=1e-4))


@pytest.mark.parametrize(("errors", "total"), [(0, 1), (1, 1), (0, 500), (500, 500), (31, 10_000), (1, 3)])
def test_interval_is_that_of_scipy(errors: int, total: int) -> None:
    expected = binomtest(errors, total).proportion_ci(method="wilson")
    assert Score(errors, total).interval == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert Score(31, 10_000, {"loss": 0.1}).as_dict().keys() == {"errors", "total", "error", "low", "high", "loss"}

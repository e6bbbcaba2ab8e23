"""An evaluation is complete, in the order of its split, whatever the size of the batches."""

import pytest
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from digits.evaluation.evaluate import Evaluation, Split, evaluate

LOGITS = torch.randn(103, 10, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(103) % 10
IMAGES = torch.arange(103, dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)


def look_up(images: Tensor) -> Tensor:
    """A function whose logits for image number N are row N of `LOGITS`."""
    return LOGITS[images[:, 0, 0].long()]


def evaluated(labels: Tensor, batch_size: int = 25) -> Evaluation:
    return evaluate(look_up, Split(IMAGES, labels, 1000 + torch.arange(103)), batch_size)


@pytest.mark.parametrize(("batch_size", "sizes"), [(25, [21, 21, 21, 20, 20]), (103, [103]), (500, [103])])
def test_batches_have_nearly_equal_sizes(batch_size: int, sizes: list[int]) -> None:
    seen = []

    def record(images: Tensor) -> Tensor:
        seen.append(len(images))
        return look_up(images)

    evaluate(record, Split(IMAGES, LABELS, LABELS), batch_size)
    assert seen == sizes


def test_logits_and_errors_are_those_of_all_images() -> None:
    evaluation = evaluated(LABELS)
    assert torch.equal(evaluation.logits, LOGITS)
    assert torch.equal(evaluation.split.indices, 1000 + torch.arange(103))
    assert evaluation.score.errors == int((LOGITS.argmax(1) != LABELS).sum())
    assert evaluation.score.total == 103
    loss = torch.nn.functional.cross_entropy(LOGITS, LABELS).item()
    assert evaluation.score.means["loss"] == pytest.approx(loss, rel=1e-5)


def test_temperature_changes_the_confidence_but_not_the_predictions() -> None:
    plain = evaluated(LABELS)
    scaled = plain.scaled(2.0)
    assert torch.equal(scaled.predicted, plain.predicted)
    assert scaled.score == plain.score
    assert scaled.misclassified.confidence.mean() < plain.misclassified.confidence.mean()


def test_confusion_matrix_equals_torchmetrics() -> None:
    assert torch.equal(evaluated(LABELS).confusion, MulticlassConfusionMatrix(10)(LOGITS, LABELS))


@pytest.mark.parametrize("expected", [LABELS, LOGITS.argmax(1)], ids=["some", "none"])
def test_misclassified_images_are_complete_and_sorted_by_confidence(expected: Tensor) -> None:
    images, labels, predicted, confidence, indices = evaluated(expected).misclassified
    positions = indices - 1000
    assert torch.equal(positions, images[:, 0, 0].long())
    assert sorted(positions.tolist()) == (LOGITS.argmax(1) != expected).nonzero().flatten().tolist()
    assert torch.equal(labels, expected[positions])
    assert torch.equal(predicted, LOGITS.argmax(1)[positions])
    assert torch.equal(confidence, LOGITS.softmax(1).amax(1)[positions])
    assert torch.equal(confidence, confidence.sort(descending=True).values)

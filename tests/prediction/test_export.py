"""An exported model predicts what its checkpoints do, or is refused."""

from pathlib import Path

import pytest
import torch
from helpers import made_digits

from digits.data.sources import sample
from digits.errors import InputError
from digits.models.networks import build_network
from digits.prediction.classifier import Classifier, load_classifier
from digits.prediction.export import export_onnx
from digits.prediction.members import CheckpointMember, OnnxMember

IMAGES = sample().train.images[:40]


def member(name: str, temperature: float | None = None) -> CheckpointMember:
    return CheckpointMember(name, build_network(name), temperature)


@pytest.mark.parametrize("name", ["mlp", "keras_cnn", "compact_cnn"])  # dense; convolutions, dropout; batch norm
def test_model_equals_pytorch(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    classifier = Classifier([member(name, temperature=1.5)])
    assert export_onnx(classifier, tmp_path / "model.onnx", IMAGES) < 1e-4
    exported = load_classifier(tmp_path / "model.onnx")
    for images in (IMAGES, IMAGES[:1], made_digits(30)[0]):
        assert torch.allclose(exported.predict(images), classifier.predict(images), atol=1e-4)
    assert exported.name == name
    assert exported.members[0].calibrated
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_ensemble_is_one_model(tmp_path: Path) -> None:
    classifier = Classifier([member("larger_cnn"), member("fast_cnn", temperature=1.5)])
    export_onnx(classifier, tmp_path / "both.onnx", IMAGES)
    exported = load_classifier(tmp_path / "both.onnx")
    assert torch.allclose(exported.predict(IMAGES), classifier.predict(IMAGES), atol=1e-4)
    assert not exported.members[0].calibrated
    with pytest.raises(InputError, match="exported already"):
        export_onnx(exported, tmp_path / "again.onnx", IMAGES)


def test_model_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = OnnxMember.forward
    monkeypatch.setattr(OnnxMember, "forward", lambda self, images: forward(self, images).flip(1))
    (tmp_path / "model.onnx").write_text("older")
    with pytest.raises(InputError, match="ONNX Runtime differs from PyTorch by"):
        export_onnx(Classifier([member("fast_cnn")]), tmp_path / "model.onnx", IMAGES)
    assert (tmp_path / "model.onnx").read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 1


def test_augmented_views_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="remove tta"):
        export_onnx(Classifier([member("fast_cnn")], tta=2), tmp_path / "model.onnx", IMAGES)

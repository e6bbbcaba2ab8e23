"""An exported model predicts what its checkpoints do, or is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from helpers import PROJECT, made_digits, predict_settings
from onnx.numpy_helper import to_array

from digits.data.sources import sample
from digits.errors import InputError
from digits.models.networks import build_network
from digits.prediction import export
from digits.prediction.agreement import Agreement
from digits.prediction.checkpoint_member import CheckpointMember
from digits.prediction.classifier import Classifier, load_classifier
from digits.prediction.export import export_onnx
from digits.prediction.predict import predict
from digits.runs.onnx_file import read_model
from digits.runs.onnx_model import OnnxModel

IMAGES = sample().train.images[:40].numpy()


def member(name: str, temperature: float | None = None) -> CheckpointMember:
    return CheckpointMember(name, build_network(name), temperature)


@pytest.mark.parametrize("name", ["mlp", "keras_cnn", "compact_cnn"])  # dense; convolutions, dropout; batch norm
def test_model_equals_pytorch(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    classifier = Classifier([member(name, temperature=1.5)])
    assert export_onnx(classifier, tmp_path / "model.onnx", IMAGES).difference < 1e-4
    exported = load_classifier(tmp_path / "model.onnx")
    for images in (IMAGES, IMAGES[:1], made_digits(30)[0].numpy()):
        assert np.allclose(exported.predict(images), classifier.predict(images), atol=1e-4)
    assert exported.name == name
    assert exported.members[0].calibrated
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_model_has_no_paths_of_the_machine(tmp_path: Path) -> None:
    export_onnx(Classifier([member("fast_cnn")]), tmp_path / "model.onnx", IMAGES)
    content = (tmp_path / "model.onnx").read_bytes()
    assert b"stack_trace" not in content
    for folder in (PROJECT, Path(torch.__file__).parent, tmp_path):
        assert str(folder).encode() not in content


def test_ensemble_is_one_model(tmp_path: Path) -> None:
    classifier = Classifier([member("larger_cnn"), member("fast_cnn", temperature=1.5)])
    export_onnx(classifier, tmp_path / "both.onnx", IMAGES)
    exported = load_classifier(tmp_path / "both.onnx")
    assert np.allclose(exported.predict(IMAGES), classifier.predict(IMAGES), atol=1e-4)
    assert not exported.members[0].calibrated
    with pytest.raises(InputError, match="exported already"):
        export_onnx(exported, tmp_path / "again.onnx", IMAGES)


def test_model_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predict = OnnxModel.predict
    monkeypatch.setattr(OnnxModel, "predict", lambda self, images: predict(self, images)[:, ::-1])
    (tmp_path / "model.onnx").write_text("older")
    with pytest.raises(InputError, match="ONNX Runtime differs from PyTorch by"):
        export_onnx(Classifier([member("fast_cnn")]), tmp_path / "model.onnx", IMAGES)
    assert (tmp_path / "model.onnx").read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 1


def test_augmented_views_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="remove tta"):
        export_onnx(Classifier([member("fast_cnn")], tta=2), tmp_path / "model.onnx", IMAGES)


def trained_member(name: str) -> CheckpointMember:
    """A network that fits `IMAGES` with certainty."""
    torch.manual_seed(0)
    trained, labels = member(name, temperature=1.5), sample().train.labels[:40]
    module = trained.module.requires_grad_(True)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.003)
    for _ in range(40):
        loss = -module(torch.from_numpy(IMAGES))[range(40), labels].log().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return trained


@pytest.mark.slow
def test_int8_model_is_smaller_and_predicts_the_same_labels(tmp_path: Path) -> None:
    classifier = Classifier([trained_member("keras_cnn"), trained_member("mlp")])
    export_onnx(classifier, tmp_path / "float32.onnx", IMAGES)
    assert export_onnx(classifier, tmp_path / "int8.onnx", IMAGES, "int8").different_labels == 0
    model = read_model(tmp_path / "int8.onnx")
    assert model.calibrated
    assert len(model.content) < 0.3 * (tmp_path / "float32.onnx").stat().st_size
    exported = load_classifier(tmp_path / "int8.onnx")
    assert np.allclose(exported.predict(IMAGES), classifier.predict(IMAGES), atol=0.1)
    assert len(list(tmp_path.iterdir())) == 2


def test_int8_weights_have_7_bits_and_the_outer_layers_are_float32(tmp_path: Path) -> None:
    export_onnx(Classifier([trained_member("larger_cnn")]), tmp_path / "int8.onnx", IMAGES, "int8")
    weights = [to_array(one) for one in onnx.load(tmp_path / "int8.onnx").graph.initializer if len(one.dims) > 1]
    assert [weight.shape[0] for weight in weights if weight.dtype == np.float32] == [30, 10]
    assert all(abs(weight.astype(int)).max() == 64 for weight in weights if weight.dtype == np.int8)


@pytest.mark.slow
def test_int8_may_change_one_label_in_5000(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "compare", lambda *given: Agreement(len(given[2]), different_labels=1, difference=0.5))
    classifier, images = Classifier([member("larger_cnn")]), np.repeat(IMAGES[:1], 5000, axis=0)
    with pytest.raises(InputError, match="int8 changes 1 of 4,999 labels"):
        export_onnx(classifier, tmp_path / "model.onnx", images[:4999], "int8")
    assert not list(tmp_path.iterdir())
    export_onnx(classifier, tmp_path / "model.onnx", images, "int8")
    assert load_classifier(tmp_path / "model.onnx").name == "larger_cnn"


@pytest.mark.parametrize(
    ("export_to", "dtype", "message"),
    [
        ("m.onnx", "int4", "export_dtype=int4: must be float32 or int8"),
        (None, "int8", "export_dtype=int8: needs export="),
    ],
)
def test_invalid_dtype_is_refused(export_to: str | None, dtype: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict(predict_settings(input="a.csv", export=export_to, export_dtype=dtype))

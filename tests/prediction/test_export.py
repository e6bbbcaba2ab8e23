"""An exported model answers as its checkpoints do, and is refused where it does not."""

from pathlib import Path

import onnx
import pytest
import torch
from helpers import made_digits

from digits.data.sources import sample
from digits.errors import InputError
from digits.models.networks import NETWORKS, build_network
from digits.prediction import export
from digits.prediction.classifier import Classifier, Member, load_classifier
from digits.prediction.export import export_onnx

IMAGES = sample().train.images[:40]


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_pytorch(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    classifier = Classifier([Member(name, build_network(name), 1.5)])
    path = tmp_path / "model.onnx"
    assert export_onnx(classifier, path, IMAGES) < 1e-4
    exported = load_classifier(path)
    for count in (1, 7, 40):
        assert torch.allclose(exported.predict(IMAGES[:count]), classifier.predict(IMAGES[:count]), atol=1e-4)
    assert exported.name == name
    assert exported.members[0].calibrated
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_an_ensemble_is_one_model(tmp_path: Path) -> None:
    members = [Member(name, build_network(name), None) for name in ("larger_cnn", "fast_cnn")]
    classifier = Classifier(members)
    export_onnx(classifier, tmp_path / "both.onnx", IMAGES)
    exported = load_classifier(tmp_path / "both.onnx")
    assert torch.allclose(exported.predict(IMAGES), classifier.predict(IMAGES), atol=1e-4)
    assert not exported.members[0].calibrated


def test_a_model_that_answers_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = export.OnnxMember.forward
    monkeypatch.setattr(export.OnnxMember, "forward", lambda self, images: answer(self, images).flip(1))
    (tmp_path / "model.onnx").write_text("older")
    with pytest.raises(InputError, match="not kept; ONNX Runtime departs from PyTorch by"):
        export_onnx(Classifier([Member("fast_cnn", build_network("fast_cnn"), None)]), tmp_path / "model.onnx", IMAGES)
    assert (tmp_path / "model.onnx").read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    member = Member("fast_cnn", build_network("fast_cnn"), None)
    with pytest.raises(InputError, match="leave tta out"):
        export_onnx(Classifier([member], tta=2), tmp_path / "model.onnx", IMAGES)
    export_onnx(Classifier([member]), tmp_path / "model.onnx", IMAGES)
    with pytest.raises(InputError, match="exported already"):
        export_onnx(load_classifier(tmp_path / "model.onnx"), tmp_path / "again.onnx", IMAGES)


def test_foreign_and_damaged_models(tmp_path: Path) -> None:
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "other", value[:1], value[1:])
    onnx.save(
        onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 18)]),
        tmp_path / "other.onnx",
    )
    images = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["n", 28, 28])
    same = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, ["n", 28, 28])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["images"], ["y"])], "same", [images], [same])
    onnx.save(
        onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 18)]),
        tmp_path / "same.onnx",
    )
    (tmp_path / "bytes.onnx").write_bytes(bytes(range(256)))
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name, message in (
        ("other", "not a model that predict.py exported"),
        ("same", "not a model that predict.py exported"),
        ("bytes", "damaged, or not an ONNX model"),
        ("empty", "damaged, or not an ONNX model"),
        ("nowhere", "no such file"),
    ):
        with pytest.raises(InputError, match=rf"{name}\.onnx: .*{message}") as raised:
            load_classifier(tmp_path / f"{name}.onnx")
        assert "\n" not in str(raised.value)


def test_made_digits_are_answered_too(trained: Path, tmp_path: Path) -> None:
    export_onnx(load_classifier(trained), tmp_path / "model.onnx", IMAGES)
    images = made_digits(30)[0]
    expected = load_classifier(trained, precision="32-true").predict(images)
    assert torch.allclose(load_classifier(tmp_path / "model.onnx").predict(images), expected, atol=1e-4)

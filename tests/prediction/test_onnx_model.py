"""Damaged and foreign ONNX models are refused in one line, within bounds of memory and time."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from onnx.helper import (
    make_function,
    make_graph,
    make_model,
    make_node,
    make_opsetid,
    make_tensor,
    make_tensor_value_info,
    set_model_props,
)

from digits.errors import InputError
from digits.models.networks import build_network
from digits.prediction import onnx_model
from digits.prediction.classifier import Classifier
from digits.prediction.export import export_onnx
from digits.prediction.members import CheckpointMember, load_member
from digits.prediction.onnx_model import seal_model

IMAGES = torch.full((5, 28, 28), 90, dtype=torch.uint8)
METADATA = {"name": "made", "calibrated": True}


def make(*last: onnx.NodeProto, batch: int | str = "n", **constants: tuple[list[int], list[float]]) -> onnx.ModelProto:
    """A model that computes the logits `m` of ten classes, and then the nodes `last`."""
    nodes = [
        make_node("Cast", ["images"], ["f"], to=TensorProto.FLOAT),
        make_node("Flatten", ["f"], ["fl"]),
        make_node("MatMul", ["fl", "w"], ["m"]),
        *last,
    ]
    weights = [make_tensor("w", TensorProto.FLOAT, [784, 10], np.zeros(7840, np.float32))]
    weights += [make_tensor(name, TensorProto.INT64, dims, values) for name, (dims, values) in constants.items()]
    inputs = [make_tensor_value_info("images", TensorProto.UINT8, [batch, 28, 28])]
    outputs = [make_tensor_value_info("p", TensorProto.FLOAT, None)]
    graph = make_graph(nodes, "made", inputs, outputs, weights)
    return make_model(graph, ir_version=8, opset_imports=[make_opsetid("", 13)])


SOFTMAX = make_node("Softmax", ["m"], ["p"])


def nested_functions() -> onnx.ModelProto:
    """Functions that call the one before twice: ONNX Runtime would expand them to 2^40 nodes."""
    model = make(make_node("f40", ["m"], ["s"], domain="f"), make_node("Softmax", ["s"], ["p"]))
    versions = [make_opsetid("", 13), make_opsetid("f", 1)]
    for n in range(41):
        calls = [make_node(f"f{n - 1}", [x], [y], domain="f") for x, y in ("ab", "bc")] if n else []
        nodes = calls or [make_node("Identity", ["a"], ["c"])]
        model.functions.append(make_function("f", f"f{n}", ["a"], ["c"], nodes, versions))
    model.opset_import.append(versions[1])
    return model


def endless_loop() -> onnx.ModelProto:
    info = make_tensor_value_info
    state = [info("c", TensorProto.BOOL, []), info("x", TensorProto.FLOAT, None)]
    after = [info("c2", TensorProto.BOOL, []), info("x2", TensorProto.FLOAT, None)]
    body = make_graph(
        [make_node("Identity", ["c"], ["c2"]), make_node("Identity", ["x"], ["x2"])],
        "body", [info("i", TensorProto.INT64, []), *state], after,
    )  # fmt: skip
    true = make_node("Cast", ["one"], ["true"], to=TensorProto.BOOL)
    loop = make_node("Loop", ["", "true", "m"], ["y"], body=body)
    return make(true, loop, make_node("Softmax", ["y"], ["p"]), one=([], [1]))


def external_data(folder: Path) -> onnx.ModelProto:
    (folder / "weights.bin").write_bytes(bytes(4 * 7840))
    model = make(SOFTMAX)
    weights = model.graph.initializer[0]
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    weights.ClearField("float_data")
    return model


def refuse(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_member(path)


def test_made_model_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "made.onnx").write_bytes(seal_model(make(SOFTMAX).SerializeToString(), METADATA))
    assert torch.allclose(load_member(tmp_path / "made.onnx")(IMAGES), torch.full((5, 10), 0.1))


MODELS = {
    "other output": make(make_node("Relu", ["m"], ["p"])),
    "negative numbers": make(make_node("Softmax", ["m"], ["s"]), make_node("Neg", ["s"], ["p"])),
    "fixed batch": make(SOFTMAX, batch=3),
    "same rows for all": make(
        make_node("Softmax", ["m"], ["s"]), make_node("Gather", ["s", "rows"], ["p"]), rows=([3], [0, 0, 0])
    ),
    "endless loop": endless_loop(),
    "nested functions": nested_functions(),
    "12 GB": make(
        make_node("ConstantOfShape", ["size"], ["big"]), make_node("ReduceSum", ["big"], ["zero"], keepdims=0),
        make_node("Add", ["m", "zero"], ["y"]), make_node("Softmax", ["y"], ["p"]),
        size=([2], [50_000, 60_000]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_foreign_model_is_refused(tmp_path: Path, name: str) -> None:
    content = seal_model(MODELS[name].SerializeToString(), METADATA)
    refuse(tmp_path / "foreign.onnx", content, "foreign.onnx: not a model")


def test_model_with_external_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = seal_model(external_data(tmp_path).SerializeToString(), METADATA)
    refuse(tmp_path / "foreign.onnx", content, "foreign.onnx: not a model")


def test_model_that_computes_for_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_model, "_is_self_contained", lambda model: True)
    monkeypatch.setattr(onnx_model, "MAX_TRIAL_SECONDS", 0.2)
    refuse(tmp_path / "long.onnx", seal_model(endless_loop().SerializeToString(), METADATA), "not a model")


def test_constants_are_not_computed_without_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime would compute them when it loads the model."""
    products = [make_node("MatMul", [f"c{n}", f"c{n}"], [f"c{n + 1}"]) for n in range(40)]
    last = make_node("ReduceMean", ["c40"], ["mean"], keepdims=0), make_node("Add", ["m", "mean"], ["y"])
    model = make(
        make_node("ConstantOfShape", ["size"], ["c0"]), *products, *last, make_node("Softmax", ["y"], ["p"]),
        size=([2], [1500, 1500]),
    )  # fmt: skip
    monkeypatch.setattr(onnx_model, "MAX_TRIAL_SECONDS", 0.05)
    refuse(tmp_path / "constants.onnx", seal_model(model.SerializeToString(), METADATA), "not a model")


def test_failure_during_a_prediction_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "made.onnx").write_bytes(seal_model(make(SOFTMAX).SerializeToString(), METADATA))
    member = load_member(tmp_path / "made.onnx")
    with pytest.raises(InputError, match="made: ONNX Runtime failed"):
        member(IMAGES.float())  # the model takes uint8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(range(256)), "damaged"),
        (make(SOFTMAX).SerializeToString(), "damaged, or not a model"),
        (seal_model(make(SOFTMAX).SerializeToString(), {**METADATA, "name": "a\nerror 0.00%"}), "not a model"),
    ],
)
def test_other_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    refuse(tmp_path / "other.onnx", content, f"other.onnx: {message}")


def test_model_without_checksum_is_refused(tmp_path: Path) -> None:
    model = make(SOFTMAX)
    set_model_props(model, {"digits": '{"name": "made", "calibrated": true}'})
    refuse(tmp_path / "old.onnx", model.SerializeToString(), "export it again")


def test_missing_and_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_member(tmp_path / "away.onnx")

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.onnx").touch()
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(InputError, match=r"secret\.onnx: Permission denied"):
        load_member(tmp_path / "secret.onnx")


def test_every_damaged_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(Classifier([CheckpointMember("larger_cnn", build_network("larger_cnn"), None)]), path, IMAGES)
    content = path.read_bytes()
    positions = [*np.random.default_rng(0).integers(0, len(content), 60), *range(len(content) - 150, len(content), 7)]
    assert load_member(path).name == "larger_cnn"
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        refuse(path, damaged, "damaged")

"""Damaged and foreign ONNX models are refused in one line, within bounds of memory and time."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.helper import (
    make_function,
    make_graph,
    make_model,
    make_node,
    make_opsetid,
    make_sparse_tensor,
    make_tensor,
    make_tensor_value_info,
    set_model_props,
)

from digits.errors import InputError
from digits.models.networks import build_network
from digits.prediction.checkpoint_member import CheckpointMember
from digits.prediction.classifier import Classifier
from digits.prediction.export import export_onnx
from digits.runs import onnx_file, onnx_model
from digits.runs.onnx_file import seal_model
from digits.runs.onnx_model import OnnxModel, load_onnx_model

IMAGES = np.full((5, 28, 28), 90, np.uint8)
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


def function_call() -> onnx.ModelProto:
    """A function that is called once."""
    model = make(make_node("same", ["m"], ["s"], domain="f"), make_node("Softmax", ["s"], ["p"]))
    model.opset_import.append(make_opsetid("f", 1))
    body = [make_node("Identity", ["a"], ["c"])]
    model.functions.append(make_function("f", "same", ["a"], ["c"], body, [make_opsetid("", 13)]))
    return model


def three_steps() -> onnx.ModelProto:
    """A loop that adds the logits three times."""
    info = make_tensor_value_info
    before = [info("i", TensorProto.INT64, []), info("on", TensorProto.BOOL, []), info("x", TensorProto.FLOAT, None)]
    after = [info("still", TensorProto.BOOL, []), info("sum", TensorProto.FLOAT, None)]
    steps = [make_node("Identity", ["on"], ["still"]), make_node("Add", ["x", "m"], ["sum"])]
    loop = make_node("Loop", ["three", "", "m"], ["y"], body=make_graph(steps, "body", before, after))
    return make(loop, make_node("Softmax", ["y"], ["p"]), three=([], [3]))


def sparse_bias(where: str) -> onnx.ModelProto:
    """Adds a sparse array, a constant or an initializer, to the logits."""
    sparse = make_sparse_tensor(
        make_tensor("bias", TensorProto.FLOAT, [1], [0.5]), make_tensor("i", TensorProto.INT64, [1], [3]), [10]
    )
    constants = [make_node("Constant", [], ["bias"], sparse_value=sparse)] if where == "constant" else []
    model = make(*constants, make_node("Add", ["m", "bias"], ["y"]), make_node("Softmax", ["y"], ["p"]))
    if where == "initializer":
        model.graph.sparse_initializer.append(sparse)
    return model


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
        load_onnx_model(path)


def test_made_model_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "made.onnx").write_bytes(seal_model(make(SOFTMAX).SerializeToString(), METADATA))
    assert np.allclose(load_onnx_model(tmp_path / "made.onnx").predict(IMAGES), 0.1)


def test_broken_onnx_runtime_is_no_error_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made.onnx").write_bytes(seal_model(make(SOFTMAX).SerializeToString(), METADATA))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="^prediction needs ONNX Runtime"):
        load_onnx_model(tmp_path / "made.onnx")


MODELS = {
    "other output": make(make_node("Relu", ["m"], ["p"])),
    "negative numbers": make(make_node("Softmax", ["m"], ["s"]), make_node("Neg", ["s"], ["p"])),
    "fixed batch": make(SOFTMAX, batch=3),
    "same rows for all": make(
        make_node("Softmax", ["m"], ["s"]), make_node("Gather", ["s", "rows"], ["p"]), rows=([3], [0, 0, 0])
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


NOT_PLAIN = {
    "function": function_call(),
    "loop of three steps": three_steps(),
    "sparse constant": sparse_bias("constant"),
    "sparse initializer": sparse_bias("initializer"),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_only_plain_layers_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    content = seal_model(NOT_PLAIN[name].SerializeToString(), METADATA)
    refuse(tmp_path / "foreign.onnx", content, "foreign.onnx: not a model")
    monkeypatch.setattr(onnx_file, "_is_self_contained", lambda model: True)
    load_onnx_model(tmp_path / "foreign.onnx")


def test_time_of_a_trial_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = OnnxModel._run

    def run_later(model: OnnxModel, *arguments: Any) -> Any:
        time.sleep(0.3)
        return run(model, *arguments)

    monkeypatch.setattr(OnnxModel, "_run", run_later)
    content = seal_model(make(SOFTMAX).SerializeToString(), METADATA)
    (tmp_path / "made.onnx").write_bytes(content)
    load_onnx_model(tmp_path / "made.onnx")
    monkeypatch.setattr(onnx_model, "MAX_TRIAL_SECONDS", 0.05)
    refuse(tmp_path / "made.onnx", content, "not a model")


def with_constant(*sides: int) -> onnx.ModelProto:
    """A model that adds the sum of an array of zeros."""
    return make(
        make_node("ConstantOfShape", ["size"], ["zeros"]), make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
        make_node("Add", ["m", "zero"], ["y"]), make_node("Softmax", ["y"], ["p"]),
        size=([len(sides)], list(sides)),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "message"), [(1 << 24, ""), (1 << 20, "not a model that predict.py exported")])
def test_memory_is_limited(tmp_path: Path, limit: int, message: str) -> None:
    """An array of 4 MB, in a process of its own: ONNX Runtime registers an allocator once."""
    model = with_constant(1000, 1000)
    (tmp_path / "made.onnx").write_bytes(seal_model(model.SerializeToString(), METADATA))
    script = (
        "import sys; from pathlib import Path; from digits.runs import onnx_model;"
        "onnx_model.MAX_MEMORY = int(sys.argv[1]); onnx_model.load_onnx_model(Path('made.onnx'))"
    )
    command = [sys.executable, "-c", script, str(limit)]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert message in process.stderr
    assert process.returncode == bool(message)


def test_constants_are_not_computed_when_a_model_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of time starts later."""
    (tmp_path / "made.onnx").write_bytes(seal_model(with_constant(3).SerializeToString(), METADATA))

    class SavedModel(onnxruntime.SessionOptions):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.optimized_model_filepath = str(tmp_path / "loaded.onnx")

    monkeypatch.setattr(onnxruntime, "SessionOptions", SavedModel)
    load_onnx_model(tmp_path / "made.onnx")
    assert "ReduceSum" in [node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node]


def test_failure_during_a_prediction_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "made.onnx").write_bytes(seal_model(make(SOFTMAX).SerializeToString(), METADATA))
    model = load_onnx_model(tmp_path / "made.onnx")
    with pytest.raises(InputError, match="made: ONNX Runtime failed"):
        model.predict(IMAGES.astype(np.float32))  # type: ignore[arg-type]  # the model takes uint8


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
        load_onnx_model(tmp_path / "away.onnx")

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.onnx").touch()
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(InputError, match=r"secret\.onnx: Permission denied"):
        load_onnx_model(tmp_path / "secret.onnx")


def test_every_damaged_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(Classifier([CheckpointMember("larger_cnn", build_network("larger_cnn"), None)]), path, IMAGES)
    content = path.read_bytes()
    positions = [*np.random.default_rng(0).integers(0, len(content), 60), *range(len(content) - 150, len(content), 7)]
    assert load_onnx_model(path).name == "larger_cnn"
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        refuse(path, damaged, "damaged")

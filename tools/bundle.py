"""Makes a finished run the network of the package: src/digits/bundled.ckpt, the same network for ONNX Runtime,
src/digits/bundled.onnx, and the table of docs/model_card.md.

python train.py experiment=bundled name=bundled
python -m tools.bundle outputs/bundled
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto

from benchmarks.report import replace_blocks
from digits.data.sources import sample
from digits.errors import InputError
from digits.evaluation.score import Score
from digits.files import atomic_write
from digits.prediction.agreement import compare
from digits.prediction.checkpoint_member import load_checkpoint_member
from digits.prediction.classifier import Classifier
from digits.prediction.export import write_onnx
from digits.runs.checkpoint import load_network, read_checkpoint
from digits.runs.find_checkpoints import BUNDLED_PATH
from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics
from digits.runs.onnx_file import read_sealed, seal_model
from digits.runs.onnx_model import BUNDLED_ONNX_PATH, OnnxModel

CARD = Path("docs/model_card.md")
LARGE = 5_000  # numbers of a weight that is stored in float16; the biases and the layers at both ends stay exact
TOLERANCE = 1e-3  # of a probability, between PyTorch in float32 and ONNX Runtime with weights in float16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    run = RunFolder(parser.parse_args().run)
    metrics, path = run.metrics(), run.scored_checkpoint()
    if not (metrics and metrics.completed and path):
        raise InputError(f"{run.path}: not a finished run")
    save_half(path, BUNDLED_PATH)
    save_onnx(BUNDLED_PATH, BUNDLED_ONNX_PATH)
    CARD.write_text(update_card(CARD.read_text(), metrics))


def save_half(source: Path, target: Path) -> None:
    """Copies a checkpoint with weights in float16, without the state of its training and the paths of the machine."""
    checkpoint = read_checkpoint(source)
    checkpoint["digits"]["config"]["data"]["root"] = "data"
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in checkpoint["state_dict"].items()
        if key.startswith("network.")
    }
    torch.save({"state_dict": state, "digits": checkpoint["digits"]}, target)
    load_network(target)


def save_onnx(checkpoint: Path, target: Path) -> None:
    """Exports a checkpoint with weights in float16, which ONNX Runtime converts to float32 when it loads them. Raises
    InputError if a label of the bundled digits differs from PyTorch, or a probability by more than `TOLERANCE`."""
    member = load_checkpoint_member(checkpoint, accelerator="cpu", precision="32-true")
    with atomic_write(target) as temp_path:
        write_onnx([member], temp_path)
        model = onnx.load(temp_path)
        store_in_float16(model)
        metadata = {"name": member.name, "calibrated": member.calibrated, "dtype": "float16"}
        temp_path.write_bytes(seal_model(model.SerializeToString(), metadata))
        train, test, _ = sample()
        assert test is not None
        images = np.concatenate([train.images.numpy(), test.images.numpy()])
        exported = OnnxModel(read_sealed(temp_path))
        agreement = compare(exported.predict(images), Classifier([member]), images)
        if agreement.different_labels or not agreement.difference <= TOLERANCE:
            raise InputError(f"{target}: {agreement}")
    print(f"{target}: {agreement}")


def store_in_float16(model: onnx.ModelProto) -> None:
    """Replaces the large weights of a float32 model by float16 numbers, each behind a conversion to float32."""
    graph = model.graph
    conversions = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < LARGE:
            continue
        name = weight.name
        half = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight).astype(np.float16), f"{name}.float16")
        conversions.append(onnx.helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
        weight.CopyFrom(half)
    nodes = [*conversions, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def update_card(card: str, metrics: RunMetrics) -> str:
    """The card with its block `<!-- facts -->` rebuilt."""
    overrides = [text for text in metrics.overrides if text.startswith(("experiment=", "seed="))]
    git, versions, calibration = metrics.git or {}, metrics.versions or {}, metrics.calibration or {}
    rows = {
        "checkpoint": f"{file_text(BUNDLED_PATH)}, weights in float16",
        "SHA-256": sha256_text(BUNDLED_PATH),
        "for ONNX Runtime": f"{file_text(BUNDLED_ONNX_PATH)}, the large weights in float16, computed in float32",
        "its SHA-256": sha256_text(BUNDLED_ONNX_PATH),
        "network": f"`{metrics.model}`, {metrics.parameters:,} parameters",
        "recipe": f"`python train.py {' '.join(overrides)}`, {metrics.epochs} epochs",
        "commit": f"{git.get('commit', '')[:12]}{' with changes' if git.get('changed') else ''}",
        "machine": f"{metrics.device}, {metrics.precision}, {metrics.seconds['fit']:,.0f} s",
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
        "error on validation digits": score_text(metrics.val),
        "error on MNIST's test set": score_text(metrics.test),
        "calibration": f"temperature {calibration['temperature']:.2f}, expected calibration error "
        f"{calibration['test']['before']:.2%} before, {calibration['test']['after']:.2%} after",
    }
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]

    return replace_blocks(card, lambda _: lines)


def file_text(path: Path) -> str:
    return f"`src/digits/{path.name}`, {path.stat().st_size:,} bytes"


def sha256_text(path: Path) -> str:
    return f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`"


def score_text(score: dict[str, float] | None) -> str:
    return str(Score(int(score["errors"]), int(score["total"]))) if score else ""


if __name__ == "__main__":
    main()

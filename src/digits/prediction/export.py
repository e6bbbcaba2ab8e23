"""Export of a classifier as one ONNX model: uint8 images in, probabilities out."""

import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from digits.errors import InputError
from digits.files import atomic_write
from digits.prediction.agreement import Agreement, compare, in_float32
from digits.prediction.checkpoint_member import CheckpointMember
from digits.prediction.classifier import Classifier
from digits.prediction.quantization import quantize_int8
from digits.runs.onnx_file import seal_model
from digits.runs.onnx_model import load_onnx_model

TOLERANCE = 1e-4  # of a probability, between PyTorch and ONNX Runtime in float32
IMAGES_PER_CHANGED_LABEL = 5000  # in int8
CALIBRATION_DIGITS = 500


def export_onnx(
    classifier: Classifier, path: str | Path, images: NDArray[np.uint8], dtype: str = "float32"
) -> Agreement:
    """Writes a model that maps `images` uint8 [N, 28, 28] to `probabilities` float32 [N, 10], with weights in
    `dtype` (float32 or int8). The file is kept only if ONNX Runtime predicts the same labels for these images
    and, in float32, probabilities within `TOLERANCE`. In int8, one label in 5,000 may differ.

    The first `CALIBRATION_DIGITS` images also calibrate int8. They remain part of the comparison.

    Raises InputError if the classifier cannot be exported, and if the predictions differ more."""
    if classifier.views:
        raise InputError("export: a model is exported without test-time augmentation; remove tta")
    members = in_float32(classifier.members, "export: an ONNX model is exported already; give checkpoints")
    with atomic_write(path) as temp_path:
        write_onnx(members, temp_path)
        if dtype == "int8":
            quantize_int8(temp_path, images[:CALIBRATION_DIGITS])
        metadata = {"name": classifier.name, "calibrated": classifier.calibrated, "dtype": dtype}
        temp_path.write_bytes(seal_model(temp_path.read_bytes(), metadata))
        exported = load_onnx_model(temp_path)
        agreement = compare(exported.predict(images), Classifier(members), images)
        _require_agreement(agreement, path, dtype)
    return agreement


class Ensemble(nn.Module):
    """The mean probability of some members, as one module."""

    def __init__(self, members: Sequence[CheckpointMember]) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.module for member in members)

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        return torch.stack([member(images) for member in self.members]).mean(0)


def write_onnx(members: Sequence[CheckpointMember], path: Path) -> None:
    """Writes one model, without its seal and without paths of this machine. Raises InputError if a network cannot be
    traced."""
    example = torch.zeros(2, 28, 28, dtype=torch.uint8)
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):  # the exporter reports its progress
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Ensemble(members).eval(), (example,), str(path), external_data=False, verbose=False,
                input_names=["images"], output_names=["probabilities"],
                dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise InputError(
            f"export: torch.export cannot trace {Classifier(members).name}; predict with its checkpoint"
        ) from error
    _remove_traces(path)


def _remove_traces(path: Path) -> None:
    """Removes the metadata of PyTorch's exporter: for each node the stack trace of its call, with the paths of this
    machine, see findings/torch_onnx_export_writes_paths_of_the_machine.sh."""
    model = onnx.load(path)
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def _require_agreement(agreement: Agreement, path: str | Path, dtype: str) -> None:
    """Raises InputError if too many labels differ or, in float32, a probability."""
    different, count = agreement.different_labels, agreement.images
    if dtype == "float32":
        is_close = agreement.difference <= TOLERANCE  # false if it is not a number
        if different or not is_close:
            raise InputError(f"{path}: not written; ONNX Runtime differs from PyTorch by {agreement.difference:.1e}")
    if different * IMAGES_PER_CHANGED_LABEL > count:
        changed = f"int8 changes {different} of {count:,} labels, more than 1 in 5,000"
        raise InputError(f"{path}: not written; {changed}. Export it in float32")

"""Export of a classifier as one ONNX model: uint8 images in, probabilities out."""

import logging
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor

from digits.errors import InputError
from digits.files import atomic_write
from digits.prediction.agreement import Agreement, compare, float32_copy
from digits.prediction.classifier import Classifier
from digits.prediction.members import OnnxMember
from digits.prediction.onnx_model import seal_model
from digits.prediction.quantization import quantize_int8

TOLERANCE = 1e-4  # of a probability, between PyTorch and ONNX Runtime in float32
IMAGES_PER_CHANGED_LABEL = 5000  # in int8
CALIBRATION_DIGITS = 500


def export_onnx(classifier: Classifier, path: str | Path, images: Tensor, dtype: str = "float32") -> Agreement:
    """Writes a model that maps `images` uint8 [N, 28, 28] to `probabilities` float32 [N, 10], with weights in
    `dtype` (float32 or int8). The file is kept only if ONNX Runtime predicts the same labels for these images
    and, in float32, probabilities within `TOLERANCE`. In int8, one label in 5,000 may differ.

    The first `CALIBRATION_DIGITS` images also calibrate int8. They remain part of the comparison.

    Raises InputError if the classifier cannot be exported, and if the predictions differ more."""
    if len(classifier.tta_transforms):
        raise InputError("export: a model is exported without test-time augmentation; remove tta")
    if any(isinstance(member, OnnxMember) for member in classifier.members):
        raise InputError("export: an ONNX model is exported already; give checkpoints")
    classifier = float32_copy(classifier)
    with atomic_write(path) as temp_path:
        _write_onnx(classifier, temp_path)
        if dtype == "int8":
            quantize_int8(temp_path, images[:CALIBRATION_DIGITS])
        metadata = {"name": classifier.name, "calibrated": classifier.calibrated, "dtype": dtype}
        temp_path.write_bytes(seal_model(temp_path.read_bytes(), metadata))
        exported = Classifier([OnnxMember(temp_path)])
        agreement = compare(exported.predict(images), classifier, images)
        _require_agreement(agreement, path, dtype)
    return agreement


def _write_onnx(classifier: Classifier, path: Path) -> None:
    example = torch.zeros(2, 28, 28, dtype=torch.uint8)
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):  # the exporter reports its progress
            warnings.simplefilter("ignore")
            torch.onnx.export(
                classifier, (example,), str(path), external_data=False, verbose=False,
                input_names=["images"], output_names=["probabilities"],
                dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise InputError(f"export: torch.export cannot trace {classifier.name}; predict with its checkpoint") from error


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

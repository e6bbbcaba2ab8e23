"""Export of a classifier as one ONNX model: uint8 images in, probabilities out."""

import logging
import warnings
from contextlib import redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor

from digits.errors import InputError
from digits.files import atomic_write
from digits.prediction.classifier import Classifier
from digits.prediction.members import OnnxMember
from digits.prediction.onnx_model import seal_model

TOLERANCE = 1e-4  # of a probability, between PyTorch and ONNX Runtime in float32


def export_onnx(classifier: Classifier, path: str | Path, images: Tensor) -> float:
    """Writes a model that maps `images` uint8 [N, 28, 28] to `probabilities` float32 [N, 10]. The file is kept only if
    ONNX Runtime predicts the same labels for these images. Returns the largest difference of a probability.

    Raises InputError if the classifier cannot be exported, and if the predictions differ."""
    if len(classifier.tta_transforms):
        raise InputError("export: a model is exported without test-time augmentation; remove tta")
    if any(isinstance(member, OnnxMember) for member in classifier.members):
        raise InputError("export: an ONNX model is exported already; give checkpoints")
    classifier = deepcopy(classifier).to("cpu")
    with atomic_write(path) as temp_path:
        _export(classifier, temp_path)
        calibrated = all(member.calibrated for member in classifier.members)
        metadata = {"name": classifier.name, "calibrated": calibrated}
        temp_path.write_bytes(seal_model(temp_path.read_bytes(), metadata))
        with torch.inference_mode():
            expected, actual = classifier(images), OnnxMember(temp_path)(images)
        difference = float((actual - expected).abs().max())
        if not torch.equal(actual.argmax(1), expected.argmax(1)) or not difference <= TOLERANCE:
            raise InputError(f"{path}: not written; ONNX Runtime differs from PyTorch by {difference:.1e}")
    return difference


def _export(classifier: Classifier, path: Path) -> None:
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

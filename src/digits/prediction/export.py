"""A classifier as one ONNX file: raw uint8 images in, probabilities out."""

import json
import logging
import warnings
from contextlib import redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from digits.errors import InputError
from digits.files import atomic_write
from digits.prediction.classifier import Classifier, Member

TOLERANCE = 1e-4  # of a probability, between PyTorch and ONNX Runtime in float32


def export_onnx(classifier: Classifier, path: str | Path, images: Tensor) -> float:
    """Writes the classifier, a single network or an ensemble, as a model from `images` uint8 [N, 28, 28] to
    `probabilities` float32 [N, 10], once ONNX Runtime has given the same answers for these images. Returns the largest
    difference of a probability.

    Raises InputError if it cannot be exported, and if the answers differ.
    """
    if len(classifier.moves):
        raise InputError("export: a model is exported without test-time augmentation; leave tta out")
    if any(isinstance(member, OnnxMember) for member in classifier.members):
        raise InputError("export: needs checkpoints; an ONNX model is exported already")
    classifier = deepcopy(classifier).to("cpu")
    with atomic_write(path) as part:
        _export(classifier, part)
        _say_what_it_is(classifier, part)
        with torch.inference_mode():
            expected = classifier(images)
            answered = OnnxMember(part)(images)
        difference = float((answered - expected).abs().max())
        if not torch.equal(answered.argmax(1), expected.argmax(1)) or not difference <= TOLERANCE:
            raise InputError(f"{path}: not kept; ONNX Runtime departs from PyTorch by {difference:.1e}")
    return difference


def _export(classifier: Classifier, path: Path) -> None:
    example = torch.zeros(2, 28, 28, dtype=torch.uint8)
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(StringIO()):  # the exporter tells of its own workings
        warnings.simplefilter("ignore")
        torch.onnx.export(
            classifier,
            (example,),
            str(path),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _say_what_it_is(classifier: Classifier, path: Path) -> None:
    model = onnx.load(path)
    calibrated = all(member.calibrated for member in classifier.members)
    onnx.helper.set_model_props(model, {"digits": json.dumps({"name": classifier.name, "calibrated": calibrated})})
    onnx.save(model, path)


class OnnxMember(Member):
    """An exported classifier as a member of another, computed by ONNX Runtime on the CPU."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4  # what goes wrong is raised
            options.intra_op_num_threads = torch.get_num_threads()
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception:  # ONNX Runtime's own classes, of which there are many
            raise InputError(f"{path}: damaged, or not an ONNX model of this project") from None
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if [(node.name, node.type) for node in inputs] != [("images", "tensor(uint8)")] or len(outputs) != 1:
            raise InputError(
                f"{path}: not a model that predict.py exported: its input is not `images`, uint8 [N, 28, 28]"
            )
        try:
            about = json.loads(session.get_modelmeta().custom_metadata_map["digits"])
            super().__init__(str(about["name"]), nn.Identity(), 1.0 if about["calibrated"] else None)
            self.session = session
            answers = self(torch.zeros(3, 28, 28, dtype=torch.uint8))
            if answers.shape != (3, 10) or not torch.allclose(answers.sum(1), torch.ones(3), atol=1e-3):
                raise ValueError(answers.shape)
        except Exception:  # what another program wrote can fail in any way
            raise InputError(
                f"{path}: not a model that predict.py exported; its answers are not of this form"
            ) from None

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 [N, 28, 28] to probabilities float32 [N, 10]."""
        [probabilities] = self.session.run(None, {"images": np.ascontiguousarray(images.cpu().numpy())})
        return torch.from_numpy(probabilities).to(images.device)

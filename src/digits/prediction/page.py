"""A page to draw digits on: one HTML file with the network and its JavaScript, from the sources in digits/page."""

import base64
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from digits.errors import InputError
from digits.files import atomic_write
from digits.prediction.agreement import Agreement, compare, in_float32
from digits.prediction.classifier import Classifier
from digits.prediction.javascript import find_program, run_javascript
from digits.prediction.page_layers import describe_member
from digits.prediction.page_sources import json_in_page, read_page, read_source

NO_LAYERS = "page: an ONNX model cannot be read; give checkpoints"
TOLERANCE = 1e-2  # of a probability; the weights are float16


@dataclass(frozen=True)
class PageCheck:
    """The comparison of a page with PyTorch in float32."""

    agreement: Agreement
    program: str
    """that ran its JavaScript"""
    milliseconds: float
    """per digit"""


def write_page(
    classifier: Classifier, path: str | Path, images: NDArray[np.uint8], program: str | None = None
) -> PageCheck | None:
    """Writes the page for a classifier, if its JavaScript predicts the same labels as PyTorch for these images
    [N, 28, 28], and probabilities within `TOLERANCE`. `program` is Node or a Chromium browser; without one, the first
    that is installed. None if there is none.

    Raises InputError if the page cannot compute the network, and if the predictions differ more."""
    page = build_page(classifier)
    program = program or find_program()
    with atomic_write(path) as temp_path:
        temp_path.write_text(page, encoding="utf-8")
        if program is None:
            return None
        probabilities, milliseconds = run_page(page, images, program)
        reference = Classifier(in_float32(classifier.members, NO_LAYERS))
        agreement = compare(probabilities, reference, images)
        _require_agreement(agreement, path)
    return PageCheck(agreement, Path(program).name, milliseconds)


def _require_agreement(agreement: Agreement, path: str | Path) -> None:
    is_close = agreement.difference <= TOLERANCE  # false if it is not a number
    if agreement.different_labels or not is_close:
        labels = f"{agreement.different_labels} of {agreement.images} labels"
        difference = f"probabilities by {agreement.difference:.1e}"
        raise InputError(f"{path}: not written; its JavaScript differs from PyTorch: {labels}, {difference}")


def build_page(classifier: Classifier) -> str:
    """The page as text. Raises InputError if it cannot compute the classifier."""
    if classifier.views:
        raise InputError("page: it predicts without test-time augmentation; remove tta")
    weights: list[Tensor] = []
    members = [describe_member(member, weights) for member in in_float32(classifier.members, NO_LAYERS)]
    model = {"members": members, "weights": _encode(weights, classifier.name)}
    negation = "" if classifier.calibrated else "not "
    page = read_page("page.html")
    page = page.replace("MODEL_NAME", escape(classifier.name))
    page = page.replace("CALIBRATION", f"The probabilities are {negation}calibrated.")
    return page.replace('{"members":[]}', json_in_page(model))


def _encode(weights: list[Tensor], name: str) -> str:
    """Base64 of the weights as little-endian float16 numbers."""
    halves = torch.cat([part.detach().reshape(-1) for part in weights]).half()
    if not halves.isfinite().all():
        raise InputError(f"page: {name} has weights beyond the range of float16")
    return base64.b64encode(halves.numpy().astype("<f2").tobytes()).decode()


def run_page(page: str, images: NDArray[np.uint8], program: str) -> tuple[NDArray[np.float32], float]:
    """The probabilities [N, 10] that the JavaScript of the page computes for images [N, 28, 28], in Node or a Chromium
    browser, and its milliseconds per digit.

    Raises InputError if the program fails."""
    check = read_source("check.js")
    model = script_of(page, "model")
    digits = base64.b64encode(images.tobytes()).decode()
    script = f'{script_of(page, "network-js")}\n{check}\nconst result = predictDigits({model}, "{digits}");'
    result = run_javascript(script, program)
    probabilities = np.array(result["probabilities"], dtype=np.float32)  # null is NaN
    return probabilities, result["milliseconds"] / len(images)


def script_of(page: str, name: str) -> str:
    """The content of one script of the page."""
    [content] = re.findall(rf'<script id="{name}"[^>]*>(.*?)</script>', page, re.DOTALL)
    return str(content)

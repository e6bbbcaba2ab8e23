"""A page to draw digits on: one HTML file with the network and its JavaScript, from the sources in digits/page."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from digits.errors import InputError
from digits.files import atomic_write
from digits.models.layers import GlobalMaxPool, RescaleToMinusOneOne
from digits.prediction.classifier import Classifier
from digits.prediction.members import CheckpointMember

SOURCES = Path(__file__).parents[1] / "page"
TOLERANCE = 1e-2  # of a probability; the weights are float16
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell")
CHECK_TIMEOUT_S = 600.0


class Check(NamedTuple):
    """The comparison of a page with PyTorch in float32."""

    program: str  # that ran its JavaScript
    difference: float  # the largest of a probability
    milliseconds: float  # per digit


def write_page(classifier: Classifier, path: str | Path, images: Tensor, program: str | None = None) -> Check | None:
    """Writes the page for a classifier, if its JavaScript predicts the same labels as PyTorch for these images uint8
    [N, 28, 28], and probabilities within `TOLERANCE`. `program` is Node or a Chromium browser; without one, the first
    that is installed. None if there is none.

    Raises InputError if the page cannot compute the network, and if the predictions differ more."""
    page = build_page(classifier)
    classifier = deepcopy(classifier).to("cpu")
    classifier.precision = "32-true"
    program = program or next(filter(None, map(shutil.which, ("node", *BROWSERS))), None)
    with atomic_write(path) as temp_path:
        temp_path.write_text(page, encoding="utf-8")
        if program is None:
            return None
        actual, milliseconds = run_page(page, images, program)
        expected = classifier.predict(images)
        labels = int((actual.argmax(1) != expected.argmax(1)).sum())
        difference = float((actual - expected).abs().max())
        if labels or not difference <= TOLERANCE:
            found = f"{labels} of {len(images)} labels, probabilities by {difference:.1e}"
            raise InputError(f"{path}: not written; its JavaScript differs from PyTorch: {found}")
    return Check(Path(program).name, difference, milliseconds)


def build_page(classifier: Classifier) -> str:
    """The page as text. Raises InputError if it cannot compute the classifier."""
    if len(classifier.tta_transforms):
        raise InputError("page: it predicts without test-time augmentation; remove tta")
    weights: list[Tensor] = []
    members = [describe_member(member, weights) for member in classifier.members]
    halves = torch.cat([part.detach().reshape(-1) for part in weights]).cpu().half()
    if not halves.isfinite().all():
        raise InputError(f"page: {classifier.name} has weights beyond the range of float16")
    encoded = base64.b64encode(halves.numpy().astype("<f2").tobytes()).decode()
    page = (SOURCES / "page.html").read_text(encoding="utf-8")
    for link, name in re.findall(r'(<(?:link|script)[^>]* (?:href|src)="([\w.]+)"[^>]*>(?:</script>)?)', page):
        tag, source = ("style" if name.endswith(".css") else "script"), (SOURCES / name).read_text(encoding="utf-8")
        page = page.replace(link, f'<{tag} id="{Path(name).stem}">\n{source}</{tag}>')
    model = json.dumps({"members": members, "weights": encoded})
    calibrated = all(member.calibrated for member in classifier.members)
    texts = {
        "MODEL_NAME": escape(classifier.name),
        "CALIBRATION": f"The probabilities are {'' if calibrated else 'not '}calibrated.",
        '{"members":[]}': model,
    }
    for placeholder, text in texts.items():
        page = page.replace(placeholder, text)
    return page


def describe_member(member: nn.Module, weights: list[Tensor]) -> dict[str, Any]:
    """The layers of a member for network.js. Appends their weights, in the order in which it reads them."""
    if not isinstance(member, CheckpointMember):
        raise InputError("page: an ONNX model cannot be read; give checkpoints")
    layers = []
    features = torch.zeros(1, 1, 28, 28, device=next(member.network.parameters()).device)
    order = None  # of flattened features: JavaScript has the channels last
    for layer in _layers(member.network):
        if (description := _describe(layer, order, weights)) is None:
            raise InputError(f"page: {member.name} has the layer {type(layer).__name__}, which the page cannot compute")
        layers += [description] if description else []
        if isinstance(layer, nn.Flatten) and features.dim() > 2:
            order = torch.arange(features.numel()).view(features.shape[1:]).movedim(0, -1).flatten()
        elif isinstance(layer, nn.Linear):
            order = None
        features = layer(features)
    return {"temperature": member.temperature or 1.0, "layers": layers}


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    if type(network) is nn.Sequential:  # a subclass may have another forward
        for layer in network:
            yield from _layers(layer)
    else:
        yield network


def _describe(layer: nn.Module, order: Tensor | None, weights: list[Tensor]) -> dict[str, Any] | None:
    """One layer; empty if it does nothing in evaluation, None if the page cannot compute it."""
    match layer:
        case nn.Identity() | nn.Dropout():
            return {}
        case nn.Conv2d(groups=1, dilation=(1, 1), padding_mode="zeros"):
            top, bottom, left, right = _padding(layer)
            weights += [layer.weight.permute(0, 2, 3, 1), _bias(layer)]
            return {
                "type": "conv", "kernel": layer.kernel_size, "stride": layer.stride,
                "padding": [top, bottom, left, right],
                "weights": layer.weight.numel(), "outputs": layer.out_channels,
            }  # fmt: skip
        case nn.Linear():
            weights += [layer.weight if order is None else layer.weight[:, order], _bias(layer)]
            return {"type": "dense", "weights": layer.weight.numel(), "outputs": layer.out_features}
        case nn.BatchNorm1d() | nn.BatchNorm2d() if (
            layer.running_var is not None and layer.running_mean is not None and order is None
        ):
            scale = (layer.running_var + layer.eps).rsqrt() * (1 if layer.weight is None else layer.weight)
            shift = (0 if layer.bias is None else layer.bias) - layer.running_mean * scale
            return _scale(scale, shift, weights)
        case RescaleToMinusOneOne():
            return _scale(torch.tensor([2.0]), torch.tensor([-1.0]), weights)
        case nn.ReLU():
            return {"type": "relu"}
        case nn.Flatten(start_dim=1, end_dim=-1):
            return {"type": "flatten"}
        case GlobalMaxPool():
            return {"type": "maxpool"}
        case nn.MaxPool2d(padding=0, dilation=1, ceil_mode=False):
            return {"type": "maxpool", "size": _pair(layer.kernel_size), "stride": _pair(layer.stride)}
    return None


def _scale(scale: Tensor, shift: Tensor, weights: list[Tensor]) -> dict[str, Any]:
    weights += [scale, shift]
    return {"type": "scale", "weights": len(scale), "outputs": len(shift)}


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    return layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias


def _padding(layer: nn.Conv2d) -> list[int]:
    """Top, bottom, left and right."""
    if layer.padding == "same":
        return [side for size in layer.kernel_size for side in ((size - 1) // 2, size // 2)]
    rows, columns = (0, 0) if isinstance(layer.padding, str) else layer.padding
    return [rows, rows, columns, columns]


def _pair(size: int | tuple[int, ...]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


def run_page(page: str, images: Tensor, program: str) -> tuple[Tensor, float]:
    """The probabilities float32 [N, 10] that the page's own JavaScript computes in Node or a Chromium browser, and its
    milliseconds per digit.

    Raises InputError if the program fails."""
    digits = base64.b64encode(images.numpy().tobytes()).decode()
    script = f"""{script_of(page, "network")}
        const members = loadModel({script_of(page, "model")});
        const digits = Uint8Array.from(atob("{digits}"), (character) => character.charCodeAt(0));
        const probabilities = [];
        const start = Date.now();
        for (let first = 0; first < digits.length; first += 784) {{
            const pixels = Float32Array.from(digits.subarray(first, first + 784), (value) => value / 255);
            probabilities.push(predict(members, pixels).probabilities);
        }}
        const result = {{ probabilities, milliseconds: Date.now() - start }};"""
    result = run_javascript(script, program)
    probabilities = torch.from_numpy(np.array(result["probabilities"], dtype=np.float32))  # null is NaN
    return probabilities, result["milliseconds"] / len(images)


def run_javascript(script: str, program: str) -> Any:
    """The variable `result` of a script that Node or a Chromium browser runs, passed as JSON.

    Raises InputError if the program fails."""
    with TemporaryDirectory() as folder:
        if Path(program).stem.lower() == "node":
            file = Path(folder, "check.js")
            file.write_text(f"{script}\nconsole.log(JSON.stringify(result));", encoding="utf-8")
            command = [program, str(file)]
        else:
            file = Path(folder, "check.html")
            file.write_text(f"<script>{script}\ndocument.write(JSON.stringify(result));</script>", encoding="utf-8")
            is_root = hasattr(os, "geteuid") and os.geteuid() == 0
            sandbox = ["--no-sandbox"] if is_root else []  # Chromium has none for root
            command = [program, "--headless", *sandbox, f"--user-data-dir={folder}", "--dump-dom", file.as_uri()]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, check=True)
            text = ended.stdout.rpartition("<body>")[2].partition("</body>")[0]
            return json.loads(text)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise InputError(f"page: not written; {program} cannot run its JavaScript ({error})") from None


def script_of(page: str, name: str) -> str:
    """The content of one script of the page."""
    [content] = re.findall(rf'<script id="{name}"[^>]*>(.*?)</script>', page, re.DOTALL)
    return str(content)

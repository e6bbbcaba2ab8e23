"""A page predicts as its checkpoints do, or is not written. Its JavaScript reads pictures as predict.py does."""

import base64
import io
import json
import re
import shutil
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import hypotheses, predict_settings, slow
from PIL import Image, ImageDraw
from torch import nn

from digits.data.pictures.choose import choose
from digits.data.pictures.mnist_format import is_mnist_format
from digits.data.pictures.normalize import Hypothesis
from digits.data.sources import sample
from digits.errors import InputError
from digits.models.networks import build_network
from digits.prediction import page
from digits.prediction.checkpoint_member import CheckpointMember
from digits.prediction.classifier import Classifier, load_classifier
from digits.prediction.export import export_onnx
from digits.prediction.javascript import BROWSERS, run_javascript
from digits.prediction.page import build_page, run_page, script_of, write_page
from digits.prediction.page_sources import SOURCES, read_page, read_source
from digits.prediction.predict import predict
from tools.picture_scenes import SCENES, SMALL_SCENES

IMAGES = sample().train.images[:500].numpy()
PROGRAMS = [path for name in ("node", *BROWSERS) if (path := shutil.which(name))]
needs_javascript = pytest.mark.skipif(not PROGRAMS, reason="neither Node nor Chromium is installed")


def member(network: str | nn.Module, temperature: float | None = None) -> CheckpointMember:
    torch.manual_seed(0)
    built = build_network(network) if isinstance(network, str) else network
    for layer in built.modules():  # as after a training
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
    return CheckpointMember("made" if isinstance(network, nn.Module) else network, built, temperature)


@needs_javascript
@pytest.mark.parametrize("name", ["mlp", "conv28", "larger_cnn", "kaggle_cnn", "small_cnn", "compact_cnn", slow("m7")])
def test_page_equals_pytorch(tmp_path: Path, name: str) -> None:
    classifier = Classifier([member(name, temperature=0.1)])
    check = write_page(classifier, tmp_path / "digits.html", IMAGES[:8])
    assert check is not None
    assert check.agreement.difference < 0.01


@needs_javascript
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_layers_that_no_network_here_has(tmp_path: Path) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 5, (3, 4), stride=(2, 1), padding=(1, 2)), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout(),
        nn.MaxPool2d((3, 2), stride=2), nn.Sequential(nn.Conv2d(5, 6, 4, padding="same", bias=False)),
        nn.Flatten(), nn.Flatten(),
        nn.Linear(6 * 6 * 14, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Linear(30, 10, bias=False),
    )  # fmt: skip
    assert write_page(Classifier([member(network, temperature=0.05)]), tmp_path / "digits.html", IMAGES[:20])


@pytest.mark.slow
@needs_javascript
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: Path(path).name)
def test_page_of_trained_networks_equals_pytorch(tmp_path: Path, trained: Path, program: str) -> None:
    """The page is written only if all labels are equal."""
    for checkpoints, count in ("bundled", 500), ([trained, trained, "bundled"], 50):
        classifier = load_classifier(checkpoints, needs_pytorch=True)  # type: ignore[arg-type]
        check = write_page(classifier, tmp_path / "digits.html", IMAGES[:count], program)
        assert check is not None
        assert check.agreement.difference < 0.01


@needs_javascript
def test_page_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = build_page
    monkeypatch.setattr(page, "build_page", lambda classifier: build(classifier).replace("Math.max(value, 0)", "value"))
    (tmp_path / "digits.html").write_text("older")
    with pytest.raises(InputError, match="differs from PyTorch"):
        write_page(Classifier([member("fast_cnn")]), tmp_path / "digits.html", IMAGES[:20])
    assert (tmp_path / "digits.html").read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 1


@needs_javascript
def test_page_whose_javascript_fails_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        page, "build_page", lambda classifier: build_page(classifier).replace("softmax(features", "missing(")
    )
    with pytest.raises(InputError, match="cannot run its JavaScript"):
        write_page(Classifier([member("fast_cnn")]), tmp_path / "digits.html", IMAGES[:1])
    assert list(tmp_path.iterdir()) == []


def test_without_node_and_browser_the_page_is_written_unchecked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    predict(predict_settings(page=str(tmp_path / "digits.html")))
    assert "not compared with PyTorch" in caplog.text
    assert (tmp_path / "digits.html").stat().st_size < 1e6


def test_page_contains_the_sources_and_no_link() -> None:
    text = build_page(Classifier([member("fast_cnn")]))
    for name in [path.stem for path in SOURCES.glob("*.js") if path.stem not in ("check", "review")]:
        assert read_source(f"{name}.js") in text
    assert read_source("page.css") in text
    assert "src=" not in text
    assert "href=" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_ids_of_a_page_are_unique() -> None:
    for text in (build_page(Classifier([member("fast_cnn")])), read_page("review.html")):
        ids = re.findall(r'<[^>]* id="([\w-]+)"', text)
        assert len(ids) == len(set(ids)) > 5


class OwnLayer(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


class OwnSequential(nn.Sequential):
    """May have a forward of its own."""


@pytest.mark.parametrize(
    ("network", "found"),
    [
        (nn.Sequential(OwnLayer(), nn.Linear(784, 10)), "the layer OwnLayer"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, dilation=2), nn.Flatten(), nn.Linear(2304, 10)), "the layer Conv2d"),
        (nn.Sequential(nn.MaxPool2d(2, padding=1), nn.Flatten(), nn.Linear(225, 10)), "the layer MaxPool2d"),
        (OwnLayer(), "the layer OwnLayer"),
        (OwnSequential(nn.Flatten(), nn.Linear(784, 10)), "the layer OwnSequential"),
    ],
)
def test_unknown_layer_is_refused(network: nn.Module, found: str) -> None:
    network.parameters = lambda: iter([torch.zeros(1)])  # type: ignore[method-assign, assignment]
    with pytest.raises(InputError, match=f"page: made has {found}, which the page cannot compute"):
        build_page(Classifier([CheckpointMember("made", network, None)]))


def test_weights_beyond_float16_are_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    nn.init.constant_(network[1].bias, 1e5)
    with pytest.raises(InputError, match="float16"):
        build_page(Classifier([member(network)]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"page": "{}/pages.html"}, "is a folder"),
        ({"page": "{}/missing/digits.html"}, "there is no folder"),
        ({"page": "{}/digits.html", "tta": 2}, "remove tta"),
        ({"page": "{}/digits.html", "output": "{}/digits.html", "input": "{}/photo.png"}, "is written by page"),
    ],
)
def test_bad_options_are_one_line(tmp_path: Path, options: dict[str, object], message: str) -> None:
    Image.new("L", (50, 50)).save(tmp_path / "photo.png")
    (tmp_path / "pages.html").mkdir()
    given = {key: value.format(tmp_path) if isinstance(value, str) else value for key, value in options.items()}
    with pytest.raises(InputError, match=message):
        predict(predict_settings(**given))
    assert not (tmp_path / "digits.html").exists()


def test_onnx_model_is_refused(tmp_path: Path) -> None:
    export_onnx(Classifier([member("mlp")]), tmp_path / "model.onnx", IMAGES[:2])
    with pytest.raises(InputError, match="page: an ONNX model cannot be read"):
        predict(predict_settings(checkpoint=str(tmp_path / "model.onnx"), page=str(tmp_path / "digits.html")))
    assert not (tmp_path / "digits.html").exists()


@needs_javascript
def test_result_that_is_no_number_is_refused(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Linear(10, 10), nn.Linear(10, 10))
    for layer in network[1:]:  # beyond float32
        nn.init.constant_(layer.weight, 6e4)
    network[2].weight.data[0] = network[3].weight.data[0] = -6e4
    classifier = Classifier([member(nn.Sequential(*network, *network[2:], *network[2:], *network[2:]))])
    with pytest.raises(InputError, match="not finite"):
        write_page(classifier, tmp_path / "digits.html", IMAGES[:2])
    assert list(tmp_path.iterdir()) == []


@needs_javascript
def test_program_that_does_not_run_javascript(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("#!/bin/sh\necho no\n")
    (tmp_path / "node").chmod(0o755)
    with pytest.raises(InputError, match="cannot run its JavaScript"):
        run_page(build_page(Classifier([member("mlp")])), IMAGES[:1], str(tmp_path / "node"))


def found_by_page(made: Sequence[Image.Image]) -> list[list[dict[str, Any]]]:
    """The hypotheses of the page about each picture, with digits uint8 [K, 784]."""
    text = build_page(Classifier([member("fast_cnn")]))
    sources = "\n".join(script_of(text, f"{name}-js") for name in ("network", "filters", "digit", "segment", "picture"))
    data = [[*one.size, base64.b64encode(one.convert("RGBA").tobytes()).decode()] for one in made]
    script = f"""{sources}
        const result = {json.dumps(data)}.map(([width, height, text]) => {{
            const data = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
            const bytes = (digit) => Array.from(digit, (value) => Math.round(255 * value));
            const found = findHypotheses({{ data, width, height }});
            return found.map((hypothesis) => ({{ ...hypothesis, digits: hypothesis.digits.map(bytes) }}));
        }});"""
    result: list[list[dict[str, Any]]] = run_javascript(script, PROGRAMS[0])
    return result


def expect_hypotheses_of_predict(made: Sequence[Image.Image]) -> None:
    different = total = 0
    for picture, found in zip(made, found_by_page(made), strict=True):
        expected = hypotheses(picture)
        assert [(one["description"], one["dark"], one["apart"]) for one in found] == [
            (one.description, one.dark, one.apart) for one in expected
        ]
        for one, other in zip(found, expected, strict=True):
            gaps = np.abs(np.array(one["digits"]) - other.digits.reshape(-1, 784).astype(int))
            different += (gaps.max(1) > 2).sum()
            total += len(gaps)
    assert total
    assert different <= 0.05 * total  # a center between two pixels may be rounded to either


@needs_javascript
@pytest.mark.parametrize(
    "scene", [*SMALL_SCENES, "28×28", slow("pencil"), slow("corner"), slow("table"), slow("tight crop"), slow("four")]
)
def test_page_finds_the_hypotheses_of_predict(scene: str) -> None:
    draw = {**SCENES, **SMALL_SCENES}[scene]
    digits = IMAGES
    expect_hypotheses_of_predict(
        [draw([*digits[index : index + 4]], np.random.default_rng([index, 2])) for index in range(8)]
    )


@needs_javascript
def test_page_finds_the_hypotheses_of_unusual_pictures() -> None:
    def line(mode: str, background: Any, ink: Any, size: tuple[int, int] = (90, 130)) -> Image.Image:
        picture = Image.new(mode, size, background)
        middle = size[0] // 2
        ImageDraw.Draw(picture).line((middle, size[1] // 8, middle + 5, size[1] * 7 // 8), ink, max(2, size[0] // 10))
        return picture

    mnist = Image.fromarray(IMAGES[0])
    expect_hypotheses_of_predict(
        [
            line("RGB", (255, 255, 255), (255, 255, 90)),  # contrast in blue only
            line("RGBA", (0, 0, 0, 0), (0, 0, 0, 255)),
            line("RGBA", (0, 0, 0, 0), (255, 255, 255, 255)),
            line("RGBA", (240, 240, 240, 255), (0, 0, 0, 150)),
            line("L", 255, 0, (8, 8)),
            line("L", 255, 0, (9, 31)),
            line("L", 255, 0, (64, 62)),
            line("L", 255, 0, (1700, 900)),
            mnist,
            Image.eval(mnist, lambda value: 255 - value),
            Image.eval(mnist, lambda value: 255 * (value > 127)),
            Image.eval(mnist, lambda value: value // 64 * 64),
        ]
    )


@needs_javascript
def test_blank_picture_has_no_hypothesis_in_the_page() -> None:
    assert found_by_page([Image.new("L", (100, 80), 255)]) == [[]]


@needs_javascript
def test_page_chooses_the_hypothesis_of_predict() -> None:
    generator = np.random.default_rng(0)
    cases: list[tuple[list[Hypothesis], list[np.ndarray[Any, Any]]]] = []
    for _ in range(300):
        counts = [1, *generator.choice([1, 1, 2, 3], size=generator.integers(6)).tolist()]
        found = [
            Hypothesis(
                str(index),
                np.zeros((count, 28, 28), np.uint8),
                bool(generator.integers(2)),
                count > 1 and counts[index - 1] == 1 and bool(generator.integers(2)),
            )
            for index, count in enumerate(counts)
        ]
        logits = generator.normal(size=(sum(counts), 10)) + 4 * np.eye(10)[generator.integers(3, size=sum(counts))]
        powers = np.exp(generator.uniform(0.2, 3) * logits)
        probabilities = np.split(powers / powers.sum(1, keepdims=True), np.cumsum(counts)[:-1])
        cases.append((found, probabilities))
    expected = []
    for found, probabilities in cases:
        [chosen] = choose([found], partial(_given, np.concatenate(probabilities)))
        expected.append(chosen and chosen.description)
    data = [
        [
            [{"description": one.description, "dark": one.dark, "apart": one.apart} for one in found],
            [values.tolist() for values in probabilities],
        ]
        for found, probabilities in cases
    ]
    text = build_page(Classifier([member("fast_cnn")]))
    sources = "\n".join(script_of(text, f"{name}-js") for name in ("filters", "digit", "picture"))
    script = f"{sources}\nconst result = {json.dumps(data)}.map((one) => choose(...one)?.description ?? null);"
    assert run_javascript(script, PROGRAMS[0]) == expected
    assert None in expected
    assert len(set(expected)) > 4


def _given(probabilities: np.ndarray, images: np.ndarray) -> np.ndarray:
    """A judge with these probabilities."""
    return probabilities


def run_sources(names: str, expression: str) -> Any:
    """The value of a JavaScript expression beside some scripts of the page. Bytes are lists."""
    scripts = "\n".join((SOURCES / f"{name}.js").read_text(encoding="utf-8") for name in names.split())
    return run_javascript(f"{scripts}\nconst result = {expression};", PROGRAMS[0])


def as_javascript(images: np.ndarray[Any, Any], labels: Sequence[int]) -> str:
    """The digits as the page keeps them."""
    texts = [
        f"{{ label: {label}, pixels: Uint8Array.from({image.reshape(784).tolist()}) }}"
        for image, label in zip(images, labels, strict=True)
    ]
    return f"[{', '.join(texts)}]"


@needs_javascript
def test_pngs_of_a_zip_are_the_digits() -> None:
    labels = [3, 0, 3, 9]
    archive = run_sources("digit bytes png zip save", f"Array.from(zipOfDigits({as_javascript(IMAGES[:4], labels)}))")
    with zipfile.ZipFile(io.BytesIO(bytes(archive))) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["3/1.png", "0/1.png", "3/2.png", "9/1.png"]
        for name, image in zip(opened.namelist(), IMAGES, strict=False):
            with Image.open(opened.open(name)) as picture:
                picture.load()
                assert picture.mode == "L"
                assert np.array_equal(picture, image)


@needs_javascript
@pytest.mark.parametrize("files", [{}, {"empty.txt": b""}, {"a.bin": bytes(range(256)) * 300, "b/c.bin": b"\xff"}])
def test_zip_holds_any_files(files: dict[str, bytes]) -> None:
    described = [{"name": name, "bytes": [*content]} for name, content in files.items()]
    archive = run_sources("bytes zip", f"Array.from(zipOfFiles({json.dumps(described)}))")
    with zipfile.ZipFile(io.BytesIO(bytes(archive))) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == files


@needs_javascript
def test_csv_holds_the_digits(tmp_path: Path) -> None:
    text = run_sources("save", f"csvOfDigits({as_javascript(IMAGES[:3], [5, 0, 4])})")
    (tmp_path / "digits.csv").write_text(text)
    table = pd.read_csv(tmp_path / "digits.csv")
    assert table.columns.tolist() == ["label", *(f"pixel{index}" for index in range(784))]
    assert table["label"].tolist() == [5, 0, 4]
    assert np.array_equal(table.drop(columns="label"), IMAGES[:3].reshape(3, 784))


@needs_javascript
def test_stored_digits_are_the_kept_ones() -> None:
    digits = as_javascript(IMAGES[:30], [index % 10 for index in range(30)])
    result = run_sources("collection", f"[encodeDigits({digits}), decodeDigits(encodeDigits({digits})), {digits}]")
    text, decoded, kept = result
    assert decoded == kept
    assert len(text) < 1100 * 30
    assert run_sources("collection", "decodeDigits(encodeDigits([]))") == []


@needs_javascript
@pytest.mark.parametrize("text", ["digits", "AAAA", base64.b64encode(bytes([10] * 785)).decode(), "\n"])
def test_damaged_storage_is_noticed(text: str) -> None:
    script = f"(() => {{ try {{ return decodeDigits({json.dumps(text)}); }} catch {{ return 'damaged'; }} }})()"
    assert run_sources("collection", script) == "damaged"


@needs_javascript
@pytest.mark.parametrize(
    ("labels", "description"),
    [
        ([7], "1 digit; 0, 1, 2, 3, 4, 5, 6, 8, 9 missing"),
        ([0, 1, 2, 4, 5, 6, 7, 9, 9], "9 digits; 3, 8 missing"),
        ([*range(10), *range(10)] * 2 + [*range(1, 9)], "48 digits; fewer than 5 of 0, 9"),
        ([*range(10)] * 5, "50 digits; at least 5 of each"),
    ],
)
def test_description_of_kept_digits_names_what_is_missing(labels: list[int], description: str) -> None:
    digits = json.dumps([{"label": label} for label in labels])
    assert run_sources("collection", f"describeDigits({digits})") == description


@needs_javascript
def test_drawn_digits_are_in_mnist_format() -> None:
    """Training reads their PNGs without a change."""
    drawn = [
        [[[100, 100], [400, 120], [250, 500]]],
        [[[10, 10], [12, 300], [15, 490]]],
        [[[0, 0], [300, 0], [300, 300], [20, 310], [0, 10]], [[300, 300], [310, 500]]],
        [[[200, 20], [190, 300]], [[20, 280], [550, 300]], [[20, 280], [200, 25]]],
    ]
    for pixels in run_sources(
        "filters digit", f"{json.dumps(drawn)}.map((lines) => Array.from(imageOfStrokes(lines)))"
    ):
        digit = np.array(pixels, dtype=np.float32).reshape(28, 28)
        assert is_mnist_format((255 * digit).round() / 255)

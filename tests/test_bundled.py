"""The network of the package: its file, its card, and the first prediction without training or network."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import PROJECT, config, hypotheses
from PIL import Image

import digits
from digits.data.mnist_files import read_mnist
from digits.data.pictures.choose import choose
from digits.data.sources import sample
from digits.errors import InputError
from digits.prediction.checkpoint_member import CheckpointMember, load_checkpoint_member
from digits.runs.checkpoint import read_checkpoint
from digits.runs.find_checkpoints import BUNDLED_PATH
from digits.runs.onnx_file import read_sealed
from digits.runs.onnx_model import BUNDLED_ONNX_PATH, bundled_model, predict_with_bundled
from tools.file_corruptions import FILE_CORRUPTIONS, apply_corruption

CARD = (PROJECT / "docs" / "model_card.md").read_text()
DATA = PROJECT.parent / "shared" / "data"


@pytest.mark.parametrize("path", [BUNDLED_PATH, BUNDLED_ONNX_PATH])
def test_the_card_describes_the_file(path: Path) -> None:
    assert hashlib.sha256(path.read_bytes()).hexdigest() in CARD
    assert path.stat().st_size < 700_000
    assert f"{path.stat().st_size:,} bytes" in CARD


def test_both_files_are_the_same_network() -> None:
    train, test, _ = sample()
    assert test is not None
    images = np.concatenate([train.images.numpy(), test.images.numpy()])
    in_pytorch = load_checkpoint_member(BUNDLED_PATH, accelerator="cpu", precision="32-true")
    in_onnx_runtime = bundled_model()
    probabilities, expected = in_onnx_runtime.predict(images), in_pytorch.predict(images)
    assert np.array_equal(probabilities.argmax(1), expected.argmax(1))
    assert np.abs(probabilities - expected).max() < 1e-3
    assert (in_onnx_runtime.name, in_onnx_runtime.calibrated) == (in_pytorch.name, in_pytorch.calibrated)


@pytest.mark.parametrize(("settings", "runs_in_pytorch"), [
    ({}, False),
    ({"accelerator": "cpu", "precision": "32-true"}, False),
    ({"precision": "bf16-mixed"}, True),
    ({"needs_pytorch": True}, True),
])  # fmt: skip
def test_it_runs_in_pytorch_only_on_request(settings: dict[str, Any], runs_in_pytorch: bool) -> None:
    [member] = digits.load_classifier(**settings).members
    assert isinstance(member, CheckpointMember) == runs_in_pytorch


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    content = bytearray(BUNDLED_ONNX_PATH.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "bundled.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"bundled\.onnx: damaged; its checksum is wrong"):
        read_sealed(tmp_path / "bundled.onnx")


def test_the_file_was_trained_by_its_experiment() -> None:
    trained = read_checkpoint(BUNDLED_PATH)["digits"]["config"]
    recipe = config("experiment=bundled")
    assert trained["data"]["root"] == "data"  # no path of the machine
    for group in ("model", "optimizer", "schedule", "augment", "non_digits", "label_smoothing"):
        assert trained[group] == recipe[group], group
    assert trained["trainer"]["max_epochs"] == recipe["trainer"]["max_epochs"]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs MNIST in ../shared/data")
def test_its_error_on_mnist_is_that_of_the_card() -> None:
    images, labels = read_mnist(DATA, "t10k", download=False)
    predicted = digits.load_classifier().predict(images).argmax(1)
    errors = int((predicted != labels.numpy()).sum())
    assert any(f"({errors + rounding:,}/10,000" in CARD for rounding in (-1, 0, 1))  # bfloat16 and float32
    assert errors <= 42


def test_its_error_on_the_bundled_digits_is_small() -> None:
    images, labels = sample().test or ()
    assert (digits.load_classifier(accelerator="cpu").predict(images).argmax(1) != labels.numpy()).sum() <= 5


MADE_WORSE = (
    "threshold 64",
    "threshold 127",
    "threshold 191",
    "noise 20",
    "noise 40",
    "14×14, nearest neighbor",
    "14×14, bicubic",
)


@pytest.mark.parametrize("name", MADE_WORSE)
def test_digits_made_worse_are_read(name: str) -> None:
    """Hard edges, noise and coarse pixels: an earlier network misread up to a half of these digits."""
    images, labels = sample().test or ()
    worse = apply_corruption(FILE_CORRUPTIONS[name], name, images.numpy())
    predicted = digits.load_classifier(accelerator="cpu").predict(worse).argmax(1)
    assert (predicted != labels.numpy()).sum() <= 0.02 * len(labels)


@pytest.mark.parametrize("black_on_white", [False, True])
def test_small_pictures_of_two_tones_are_read(black_on_white: bool) -> None:
    images, labels = (tensor.numpy()[:50] for tensor in sample().test or ())
    two_tones = np.where(images > 127, 255, 0).astype(np.uint8)
    if black_on_white:
        two_tones = 255 - two_tones
    chosen = choose([hypotheses(Image.fromarray(pixels)) for pixels in two_tones], predict_with_bundled)
    found = [hypothesis.digits[0] for hypothesis in chosen if hypothesis]
    assert len(found) == 50
    predicted = digits.load_classifier(accelerator="cpu").predict(np.stack(found)).argmax(1)
    assert (predicted != labels).sum() <= 1


def test_the_first_prediction_needs_no_training_and_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ink = np.asarray(Image.fromarray(sample().test.images[3].numpy()).resize((200, 200)))  # type: ignore[union-attr]
    Image.fromarray((230 - 0.8 * ink).astype(np.uint8)).save(tmp_path / "photo.jpg")
    offline = tmp_path / "sitecustomize.py"
    offline.write_text(
        "import socket\ndef refuse(*arguments): raise OSError('no network')\nsocket.socket.connect = refuse\n"
    )
    command = [sys.executable, str(PROJECT / "predict.py"), "input=photo.jpg"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["file,Label", f"photo.jpg,{sample().test.labels[3]}"]  # type: ignore[union-attr]
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_the_wheel_contains_the_network_the_configuration_and_the_page(tmp_path: Path) -> None:
    pytest.importorskip("uv")
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(PROJECT)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if result.returncode and "hatchling" in result.stderr:
        pytest.skip("hatchling cannot be installed here")
    assert result.returncode == 0, result.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "bundled.ckpt",
        "bundled.onnx",
        "conf/train.yaml",
        "conf/experiment/study/smoke.yaml",
        "page/network.js",
    ):
        assert f"digits/{name}" in names

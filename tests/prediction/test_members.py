"""A network from a checkpoint predicts as it did in training; damaged and edited files are refused in one line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import made_digits
from torch import Tensor, nn

from digits.data.sources import sample
from digits.errors import InputError
from digits.models.layers import sequential
from digits.models.networks import NETWORKS, build_network
from digits.prediction.checkpoint_member import CheckpointMember
from digits.prediction.classifier import Classifier, load_classifier
from digits.prediction.export import export_onnx
from digits.prediction.members import load_member
from digits.runs.checkpoint import checkpoint_metadata, read_checkpoint
from digits.training.module import DigitsModule

IMAGES = made_digits(50)[0].numpy()


def save_checkpoint(name: str, path: Path) -> np.ndarray:
    """Saves a network with running statistics of its own, and returns the probabilities of its LightningModule."""
    torch.manual_seed(0)
    module = DigitsModule(build_network(name), torch.optim.SGD)
    images = torch.from_numpy(IMAGES)
    module.train()(images)
    metadata = checkpoint_metadata({"model": {"name": name}}) | {"temperature": 2.0}
    torch.save({"digits": metadata, "state_dict": module.state_dict()}, path)
    with torch.no_grad():
        probabilities: np.ndarray = (module.eval()(images) / 2).softmax(1).numpy()
    return probabilities


def modules_of(classifier: Classifier) -> Iterator[nn.Module]:
    [member] = classifier.members
    assert isinstance(member, CheckpointMember)
    return member.module.modules()


@pytest.mark.parametrize("name", NETWORKS)
def test_predicts_what_the_module_does(tmp_path: Path, name: str) -> None:
    expected = save_checkpoint(name, tmp_path / "some.ckpt")
    classifier = load_classifier(tmp_path / "some.ckpt", precision="32-true")
    assert np.allclose(classifier.predict(IMAGES), expected, atol=1e-6)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in modules_of(classifier))


class Wired(nn.Module):
    """A network that is not nn.Sequential: `residual`, or with a convolution whose output is used twice, that is called
    twice or that has two names, or with control flow that depends on the data."""

    def __init__(self, wiring: str) -> None:
        super().__init__()
        self.wiring = wiring
        self.conv, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.alias = nn.Sequential(self.conv) if wiring == "two names" else None
        self.head = nn.Linear(8, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.alias(pixels) if self.alias else self.conv(pixels)
        if self.wiring == "used twice":
            features = features + self.norm(features)
        elif self.wiring == "called twice":
            features = self.norm(features) + self.conv(-pixels)
        elif self.wiring != "control flow" or pixels.sum() > 0:
            features = self.norm(features).relu()
        logits: Tensor = self.head((features + self.body(features)).amax((2, 3)))
        return logits


@pytest.mark.parametrize(
    ("wiring", "unfused"),
    [("residual", 0), ("control flow", 2), ("used twice", 1), ("called twice", 1), ("two names", 1)],
)
def test_any_module_can_be_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wiring: str, unfused: int
) -> None:
    monkeypatch.setitem(NETWORKS, "some", lambda: Wired(wiring))
    expected = save_checkpoint("some", tmp_path / "some.ckpt")
    classifier = load_classifier(tmp_path / "some.ckpt", precision="32-true")
    assert np.allclose(classifier.predict(IMAGES), expected, atol=1e-6)
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in modules_of(classifier)) == unfused


def test_residual_network_is_exported_and_an_untraceable_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NETWORKS, "residual", lambda: Wired("residual"))
    monkeypatch.setitem(NETWORKS, "untraceable", lambda: Wired("control flow"))
    expected = save_checkpoint("residual", tmp_path / "some.ckpt")
    export_onnx(load_classifier(tmp_path / "some.ckpt"), tmp_path / "some.onnx", sample().train.images[:20].numpy())
    assert np.allclose(load_classifier(tmp_path / "some.onnx").predict(IMAGES), expected, atol=1e-4)
    save_checkpoint("untraceable", tmp_path / "some.ckpt")
    with pytest.raises(InputError, match="untraceable"):
        export_onnx(load_classifier(tmp_path / "some.ckpt"), tmp_path / "other.onnx", IMAGES)
    assert not (tmp_path / "other.onnx").exists()


def test_error_in_a_network_is_not_reported_as_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "some", lambda: sequential(nn.Flatten(), nn.Linear(784, 10)))
    save_checkpoint("some", tmp_path / "some.ckpt")
    monkeypatch.setitem(NETWORKS, "some", lambda: sequential(nn.Flatten(), nn.Linear(783, 10)))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        load_member(tmp_path / "some.ckpt")


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("digits/config/model", None, "damaged; its weights are not those of the network"),
        ("digits/config/model/name", "resnet", "resnet: no such network"),
        ("digits/config/model/name", "m3", "damaged; its weights are not those of the network"),
        ("digits/config/model/_target_", "os.getcwd", "model: .*_target_"),  # is not executed
        ("digits/temperature", "hot", "damaged; its temperature"),
        ("digits/temperature", 0.0, "damaged; its temperature"),
        ("digits/temperature", float("nan"), "damaged; its temperature"),
        ("state_dict/network.0.weight", 3, "damaged; its weights"),
        ("state_dict/network.0.weight", torch.zeros(24, 1, 5, 5, dtype=torch.complex64), "damaged; its weights"),
        ("state_dict/network.0.weight", torch.full((24, 1, 5, 5), float("nan")), "not finite"),
    ],
)
def test_edited_checkpoint_is_refused(trained: Path, tmp_path: Path, where: str, value: Any, message: str) -> None:
    content: Any = read_checkpoint(trained / "checkpoints" / "last.ckpt")
    *path, last = where.split("/")
    entry = content
    for key in path:
        entry = entry[key]
    entry[last] = value
    torch.save(content, tmp_path / "edited.ckpt")
    with pytest.raises(InputError, match=rf"edited\.ckpt: .*{message}") as raised:
        load_member(tmp_path / "edited.ckpt")
    assert "\n" not in str(raised.value)

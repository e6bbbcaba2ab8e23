"""What was made fast computes what the plain way computes."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import config, frame
from torch import Tensor, nn

from digits.data.csv_values import plain_values, read_values
from digits.errors import InputError
from digits.models.layers import Dropout
from digits.models.networks import NETWORKS, build_network
from digits.prediction.classifier import folded
from digits.training import train

SEEDS = range(4)


def plain(network: nn.Sequential) -> nn.Sequential:
    """The same layers as their papers have them: ReLU before pooling and not in place, PyTorch's own dropout."""
    layers: list[nn.Module] = []
    for layer in network:
        if isinstance(layer, nn.ReLU):
            pooled = layers and isinstance(layers[-1], nn.MaxPool2d)
            layers.insert(len(layers) - 1 if pooled else len(layers), nn.ReLU())
        else:
            layers.append(nn.Dropout(layer.p) if isinstance(layer, Dropout) else layer)
    return nn.Sequential(*layers)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_those_of_their_papers(name: str) -> None:
    network = build_network(name).eval()
    assert [*map(type, plain(network))] != [*map(type, network)] or name in ("mlp", "conv28", "m3", "m5", "m7")
    gradients = []
    for form in (network, plain(network).eval()):
        network.zero_grad()
        generator = torch.Generator().manual_seed(0)
        logits = form(torch.rand(4, 1, 28, 28, generator=generator))
        F.cross_entropy(logits, torch.arange(4)).backward()
        gradients.append([logits, *(parameter.grad for parameter in network.parameters())])
    for fast, slow in zip(*gradients, strict=True):
        assert torch.equal(fast, slow)


@pytest.mark.parametrize("p", [0.2, 0.25, 0.5])
def test_dropout_drops_that_part_and_keeps_the_mean(p: float) -> None:
    features = torch.ones(64, 32, 14, 14).to(memory_format=torch.channels_last).requires_grad_()
    torch.manual_seed(0)
    kept = Dropout(p)(features)
    torch.manual_seed(0)
    assert torch.equal(kept, Dropout(p)(features))
    assert not torch.equal(kept, Dropout(p)(features))
    assert kept.is_contiguous(memory_format=torch.channels_last)
    assert sorted(kept.unique().tolist()) == pytest.approx([0, 1 / (1 - p)], rel=1e-4)
    assert kept.mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / kept.numel()) ** 0.5)
    kept.sum().backward()
    assert torch.equal(features.grad, kept)  # each value's factor is its gradient
    assert torch.equal(Dropout(p).eval()(features), features)


def test_dropout_draws_each_value_on_its_own() -> None:
    """No correlation between neighbours, in any direction."""
    kept = Dropout(0.5)(torch.ones(256, 8, 12, 12)) - 1
    for dimension in range(4):
        shifted = kept.roll(1, dimension)
        assert abs((kept * shifted).mean().item()) < 5 / kept.numel() ** 0.5


def test_fast_training_ends_with_the_error_of_plain_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within what the seeds spread: the networks as they are, with this machine's precision and fused updates, against
    float32 and the plain layers."""
    recipe = ["model=larger_cnn", "optimizer=adam", "augment=none", "trainer.accelerator=cpu", "trainer.max_epochs=3"]
    ways: dict[str, Callable[..., nn.Sequential]] = {
        "fast": build_network,
        "plain": lambda **options: plain(build_network(**options)),
    }
    errors: dict[str, list[float]] = {}
    for way, build in ways.items():
        monkeypatch.setattr(train, "build_network", build)
        slow = ["trainer.precision=32-true", "optimizer.fused=false"] if way == "plain" else []
        for seed in SEEDS:
            folder = tmp_path / f"{way}{seed}"
            folder.mkdir()
            train.train(config(*recipe, "optimizer.lr=0.01", *slow, f"seed={seed}"), folder)
            scores = json.loads((folder / "metrics.json").read_text())
            errors.setdefault(way, []).append((scores["val"]["errors"] + scores["test"]["errors"]) / 1000)
    fast, slow_errors = errors["fast"], errors["plain"]
    assert mean(slow_errors) < 0.1
    assert abs(mean(fast) - mean(slow_errors)) < max(3 * stdev(slow_errors), 0.01), errors


HEADER = ["label", *(f"pixel{k}" for k in range(784))]


def rows(count: int) -> list[bytes]:
    images, labels = every_value(count)
    return frame(images, labels).to_csv(index=False, header=False, lineterminator="\n").encode().splitlines(True)


def every_value(count: int) -> tuple[Tensor, Tensor]:
    """Digits whose pixels take all values from 0 to 255."""
    images = (torch.arange(count * 784) * 7 % 256).to(torch.uint8)
    return images.reshape(count, 28, 28), torch.arange(count) % 10


PLAIN: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "no line end at the end": lambda text: text.rstrip(b"\n"),
    "zeros before": lambda text: text.replace(b",7,", b",007,"),
}
OTHER: dict[str, Callable[[bytes], bytes]] = {
    "more zeros": lambda text: text.replace(b",7,", b",0007,"),
    "spaces": lambda text: text.replace(b",7,", b", 7 ,"),
    "quotation marks": lambda text: text.replace(b",7,", b',"7",'),
    "empty lines at the end": lambda text: text + b"\n\n",
    "an empty line": lambda text: text.replace(b"\n", b"\n\n", 1),
}


@pytest.mark.parametrize("form", [*PLAIN, *OTHER])
def test_numbers_are_the_same_however_they_are_written(form: str) -> None:
    images, labels = every_value(300)
    lines = (PLAIN | OTHER)[form](b"".join(rows(300))).splitlines(keepends=True)
    values = read_values("digits.csv", HEADER, lines, 2)
    assert np.array_equal(values[:, 0], labels)
    assert np.array_equal(values[:, 1:], images.reshape(300, 784))
    assert (plain_values(lines, 785) is not None) == (form in PLAIN)


@pytest.mark.parametrize(
    "cell", [b"256", b"300", b"999", b"1000", b"-1", b"", b"x", b"1.5", b"1;2", b"1,2", b"+", b"2\t3"]
)
@pytest.mark.parametrize("row", [0, 299])
def test_every_fault_is_seen(cell: bytes, row: int) -> None:
    lines = rows(300)
    cells = lines[row].split(b",")
    cells[100] = cell
    lines[row] = b",".join(cells)
    with pytest.raises(InputError, match=f"digits.csv, row {row + 2}"):
        read_values("digits.csv", HEADER, lines, 2)


def test_values_moved_between_rows_are_seen() -> None:
    lines = rows(3)
    lines[0] = lines[0].rstrip(b"\n") + b",5\n"
    lines[1] = lines[1].partition(b",")[2]
    with pytest.raises(InputError, match="row 2: 786 values"):
        read_values("digits.csv", HEADER, lines, 2)


@pytest.mark.parametrize("name", ["compact_cnn", "m3"])
def test_folded_normalisation_gives_the_same_logits(name: str) -> None:
    network = build_network(name)
    for _ in range(3):  # running statistics other than those it begins with
        network(torch.rand(16, 1, 28, 28))
    pixels = torch.rand(8, 1, 28, 28)
    expected = network.eval()(pixels)
    fast = folded(network)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fast)
    assert torch.allclose(fast(pixels), expected, atol=1e-4)

"""Fast layers compute the same function as the layers of the papers."""

from pathlib import Path
from statistics import mean, stdev

import pytest
import torch
import torch.nn.functional as F
from helpers import config, read_metrics_json
from torch import nn

from digits.models.layers import FastDropout, scale_images
from digits.models.networks import NETWORKS, build_network
from digits.runs.job import TrainingJob
from digits.training import build
from digits.training.train import train


def plain(network: nn.Module) -> nn.Sequential:
    """The layers as in the papers: ReLU before pooling and not in place, PyTorch's own dropout."""
    layers: list[nn.Module] = []
    for layer in network.children():
        if isinstance(layer, nn.ReLU):
            pooled = layers and isinstance(layers[-1], nn.MaxPool2d)
            layers.insert(len(layers) - 1 if pooled else len(layers), nn.ReLU())
        else:
            layers.append(nn.Dropout(layer.p) if isinstance(layer, FastDropout) else layer)
    return nn.Sequential(*layers)


def test_images_are_scaled_to_one() -> None:
    pixels = scale_images(torch.tensor([[[0, 51, 255]]], dtype=torch.uint8))
    assert pixels.dtype == torch.float32
    assert pixels.tolist() == [[[[0, pytest.approx(0.2), 1]]]]


@pytest.mark.parametrize("name", [name for name in NETWORKS if isinstance(build_network(name), nn.Sequential)])
def test_logits_and_gradients_are_those_of_the_plain_layers(name: str) -> None:
    network = build_network(name).eval()
    results = []
    for form in (network, plain(network).eval()):
        network.zero_grad()
        logits = form(torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
        F.cross_entropy(logits, torch.arange(4)).backward()
        results.append([logits, *(parameter.grad for parameter in network.parameters())])
    for fast, slow in zip(*results, strict=True):
        assert torch.equal(fast, slow)


@pytest.mark.parametrize("p", [0.2, 0.25, 0.5])
def test_dropout_has_its_probability_and_keeps_the_mean(p: float) -> None:
    features = torch.ones(64, 32, 14, 14).to(memory_format=torch.channels_last).requires_grad_()
    torch.manual_seed(0)
    kept = FastDropout(p)(features)
    torch.manual_seed(0)
    assert torch.equal(kept, FastDropout(p)(features))
    assert not torch.equal(kept, FastDropout(p)(features))
    assert kept.is_contiguous(memory_format=torch.channels_last)
    assert sorted(kept.unique().tolist()) == pytest.approx([0, 1 / (1 - p)], rel=1e-4)
    assert kept.mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / kept.numel()) ** 0.5)
    kept.sum().backward()
    assert torch.equal(features.grad, kept)  # the gradient of each value is its factor
    assert torch.equal(FastDropout(p).eval()(features), features)


def test_dropout_draws_neighbors_independently() -> None:
    kept = FastDropout(0.5)(torch.ones(256, 8, 12, 12)) - 1
    for dimension in range(4):
        assert abs((kept * kept.roll(1, dimension)).mean().item()) < 5 / kept.numel() ** 0.5


@pytest.mark.slow
def test_training_reaches_the_error_of_plain_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the spread of the seeds: this machine's precision and fused updates against float32 and plain layers."""
    recipe = ["model=larger_cnn", "optimizer=adam", "augment=none", "trainer.accelerator=cpu", "trainer.max_epochs=2"]

    def errors(name: str, *settings: str) -> list[float]:
        scores = []
        for seed in range(3):
            folder = tmp_path / f"{name}{seed}"
            folder.mkdir()
            train(TrainingJob(config(*recipe, "optimizer.lr=0.01", *settings, f"seed={seed}"), folder))
            metrics = read_metrics_json(folder)
            scores.append((metrics["val"]["errors"] + metrics["test"]["errors"]) / 1000)
        return scores

    fast = errors("fast")
    monkeypatch.setattr(build, "build_network", lambda **options: plain(build_network(**options)))
    slow = errors("plain", "trainer.precision=32-true", "optimizer.fused=false")
    assert mean(slow) < 0.15
    assert abs(mean(fast) - mean(slow)) < max(3 * stdev(slow), 0.01), (fast, slow)

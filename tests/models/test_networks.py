"""The networks have the sizes and the initial weights of their originals."""

from collections.abc import Iterator

import pytest
import torch
from helpers import PROJECT, choices, config
from torch import nn

from digits.errors import InputError
from digits.models.networks import NETWORKS, build_network

# Keras's `count_params` of the originals, without the running statistics of batch normalization.
KERAS = {
    "simple_cnn": 592_074, "larger_cnn": 59_933, "keras_cnn": 1_199_882, "kaggle_cnn": 887_530, "conv28": 607_394,
    "dropout_cnn": 233_162,
}  # fmt: skip
PARAMETERS = {
    "mlp": 623_290, "m3": 1_124_180, "m5": 1_128_180, "m7": 2_291_972, "compact_cnn": 288_170,
    "wide_cnn": 1_922_762, "small_cnn": 70_586, "fast_cnn": 215_194,
} | KERAS  # fmt: skip


def layers(network: nn.Module) -> Iterator[nn.Conv2d | nn.Linear]:
    return (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))


def test_every_network_is_a_choice() -> None:
    assert sorted(NETWORKS) == choices("model")


@pytest.mark.parametrize("name", NETWORKS)
def test_size_is_that_of_the_original_and_of_the_comment(name: str) -> None:
    network = build_network(**config(f"model={name}")["model"])
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == PARAMETERS.get(name, count)
    comment = (PROJECT / "conf" / "model" / f"{name}.yaml").read_text().splitlines()[0]
    assert "parameters" not in comment or comment.endswith(f"{count:,} parameters")
    assert network(torch.rand(3, 1, 28, 28)).shape == (3, 10)


def test_convolutions_are_channels_last() -> None:
    for layer in layers(build_network("compact_cnn")):
        if isinstance(layer, nn.Conv2d) and layer.in_channels > 1:
            assert layer.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", KERAS)
def test_keras_initialization(name: str) -> None:
    torch.manual_seed(0)
    for layer in layers(build_network(name)):
        field = layer.weight[0][0].numel()
        limit = (6 / (layer.weight.shape[1] * field + layer.weight.shape[0] * field)) ** 0.5
        assert 0.9 * limit < layer.weight.abs().max() <= limit
        assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.1)
        assert not layer.bias.any()


def test_mlp_is_drawn_from_a_normal_distribution() -> None:
    for layer in layers(build_network("mlp")):
        assert layer.weight.std().item() == pytest.approx(0.05, rel=0.03)
        assert not layer.bias.any()


def test_m_networks_get_pixels_from_minus_one_to_one() -> None:
    scaled = build_network("m3").get_submodule("0")(torch.tensor([0.0, 0.5, 1.0]))
    assert scaled.tolist() == [-1, 0, 1]


def test_initial_weights_depend_on_the_seed() -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(torch.cat([parameter.flatten() for parameter in build_network("larger_cnn").parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"model\.name=lenet.* mlp, simple_cnn"):
        build_network("lenet")

"""Frozen layers are the first ones with weights, each with its normalization."""

import pytest

from digits.errors import InputError
from digits.models.freezing import freeze_layers
from digits.models.networks import NETWORKS, build_network


@pytest.mark.parametrize(("name", "count", "expected"), [
    ("compact_cnn", 0, []),
    ("compact_cnn", 2, ["0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias"]),
    ("mlp", 1, ["1.weight", "1.bias"]),
])  # fmt: skip
def test_first_layers_are_frozen_with_their_normalization(name: str, count: int, expected: list[str]) -> None:
    network = build_network(name)
    freeze_layers(network, count)
    assert [name for name, weights in network.named_parameters() if not weights.requires_grad] == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_one_layer_is_left_to_train(name: str) -> None:
    network = build_network(name)
    with pytest.raises(InputError, match=r"layers with weights; choose 0 to \d+$") as refused:
        freeze_layers(network, 1000)
    highest = int(str(refused.value).split()[-1])
    freeze_layers(network, highest)
    trained = [weights for weights in network.parameters() if weights.requires_grad]
    assert 0 < sum(weights.numel() for weights in trained) < sum(weights.numel() for weights in network.parameters())

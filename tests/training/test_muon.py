"""Muon orthogonalizes the updates of convolutions, and updates all other parameters as AdamW."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from digits.training.muon import Muon, orthogonalize


def make_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 16, 10))


def train(network: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    """Trains on the images of these steps."""
    for step in steps:
        images = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(32, 9), (32, 288), (128, 1152)])
def test_singular_values_become_similar(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrix))
    assert values.min() > 0.6
    assert values.max() < 1.3


@pytest.mark.parametrize("shape", [(8, 27), (27, 8)])
def test_polynomial_is_applied_to_each_singular_value(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, values, right = torch.linalg.svd(matrix / matrix.norm(), full_matrices=False)
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    torch.testing.assert_close(orthogonalize(matrix), left * values @ right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_kept_outside_only(dtype: torch.dtype) -> None:
    matrix = torch.randn(8, 27, generator=torch.Generator().manual_seed(0)).to(dtype)
    result = orthogonalize(matrix)
    assert result.dtype == dtype
    torch.testing.assert_close(result.float(), orthogonalize(matrix.float()), rtol=0.01, atol=0.01)


def test_direction_does_not_depend_on_the_size_of_the_gradient() -> None:
    matrix = torch.randn(8, 27, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonalize(1000 * matrix), orthogonalize(matrix))


def test_zero_gradient_gives_no_update() -> None:
    assert not orthogonalize(torch.zeros(4, 9)).any()


def test_update_of_a_convolution_has_the_size_of_adamws() -> None:
    weight = nn.Parameter(torch.zeros(32, 16, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=0.01).step()
    assert float(weight.detach().square().mean().sqrt()) == pytest.approx(0.2 * 0.01, rel=0.2)


def test_update_of_a_convolution_is_orthogonalized() -> None:
    weight = nn.Parameter(torch.zeros(8, 3, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    before = torch.linalg.svdvals(weight.grad.flatten(1))
    Muon([weight], lr=0.01).step()
    values = torch.linalg.svdvals(weight.detach().flatten(1))
    assert before.max() > 2.5 * before.min()
    assert values.max() < 2.2 * values.min()


def test_second_update_has_nesterovs_momentum() -> None:
    first, second = torch.randn(2, 4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    weight = nn.Parameter(torch.zeros(4, 2, 3, 3))
    optimizer = Muon([weight], lr=0.01, betas=(0.8, 0.99), weight_decay=0.0)
    weight.grad = first.clone()
    optimizer.step()
    before = weight.detach().clone()
    weight.grad = second.clone()
    optimizer.step()
    momentum = 0.8 * 0.2 * first + 0.2 * second
    nesterov = 0.2 * second + 0.8 * momentum
    expected = -0.01 * 0.2 * 18**0.5 * orthogonalize(nesterov.flatten(1))
    torch.testing.assert_close((weight.detach() - before).flatten(1), expected, rtol=1e-3, atol=1e-6)


def test_other_parameters_are_updated_as_by_adamw() -> None:
    network = make_network()
    reference = copy.deepcopy(network)
    network[0].requires_grad_(False)
    reference[0].requires_grad_(False)
    train(network, Muon(network.parameters(), lr=0.01), range(3))
    train(reference, AdamW(reference.parameters(), lr=0.01, fused=True), range(3))
    for ours, adamws in zip(network.parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours, adamws)


def test_resumed_training_equals_an_uninterrupted_one() -> None:
    whole = make_network()
    train(whole, Muon(whole.parameters(), lr=0.01), range(4))
    resumed = make_network()
    first = Muon(resumed.parameters(), lr=0.01)
    train(resumed, first, range(2))
    second = Muon(resumed.parameters(), lr=0.5)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(resumed, second, range(2, 4))
    for ours, expected in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, expected)


def test_weight_decay_shrinks_a_convolution_without_gradient() -> None:
    weight = nn.Parameter(torch.ones(4, 2, 3, 3))
    weight.grad = torch.zeros_like(weight)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), torch.full_like(weight, 0.95))

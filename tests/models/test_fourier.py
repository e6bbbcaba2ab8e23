"""The spectral convolution is the direct one, and is chosen only where it is faster."""

import pytest
import torch
import torch.nn.functional as F

from digits.models import fourier
from digits.models.fourier import fourier_conv2d
from digits.models.networks import build_network


@pytest.mark.parametrize("side", [12, 15])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 0), (3, 1), (5, 0), (5, 2), (7, 0), (7, 3)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_result_and_gradients_are_those_of_conv2d(side: int, kernel: int, padding: int, has_bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    images, weight, bias = random(3, 4, side, side), random(5, 4, kernel, kernel), random(5) if has_bias else None
    inputs = [tensor for tensor in (images, weight, bias) if tensor is not None]
    expected, actual = F.conv2d(images, weight, bias, padding=padding), fourier_conv2d(images, weight, bias, padding)
    torch.testing.assert_close(actual, expected)
    assert actual.is_contiguous(memory_format=torch.channels_last)
    grad = random(*expected.shape)
    for one, other in zip(
        torch.autograd.grad(actual, inputs, grad), torch.autograd.grad(expected, inputs, grad), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("capability", "batch", "dtype", "chosen"),
    [
        ("AVX2", 64, None, 1),
        ("AVX2", 63, None, 0),
        ("AVX2", 64, torch.bfloat16, 0),
        ("AVX-512", 64, None, 0),
        ("DEFAULT", 64, None, 0),
    ],
)
def test_chosen_for_large_kernels_and_batches_in_float32_with_avx2(
    monkeypatch: pytest.MonkeyPatch, capability: str, batch: int, dtype: torch.dtype | None, chosen: int
) -> None:
    calls = []

    def spy(images: torch.Tensor, *arguments: object) -> torch.Tensor:
        calls.append(images.shape)
        return fourier_conv2d(images, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(fourier, "instruction_set", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(fourier, "fourier_conv2d", spy)
    network = build_network("kaggle_cnn").eval()
    pixels = torch.rand(batch, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        logits = network(pixels)
    assert calls == [(batch, 32, 28, 28)] * chosen  # the second of its four convolutions
    with monkeypatch.context() as direct:
        direct.setattr(fourier, "is_faster", lambda *_: False)
        torch.testing.assert_close(logits.float(), network(pixels), rtol=0, atol=1e-5 if dtype is None else 0.1)

"""Precision and device for an accelerator."""

import pytest
import torch

from digits.devices import default_precision, resolve_device
from digits.errors import InputError


@pytest.mark.parametrize(
    ("used", "features", "precision"),
    [
        ("AVX512", {"avx512_bf16": True}, "bf16-mixed"),
        ("AVX512", {"amx_bf16": True}, "bf16-mixed"),
        ("AVX512", {"avx512_f": True}, "32-true"),
        ("AVX2", {"avx2": True}, "32-true"),
        ("AVX2", {"avx512_bf16": True}, "32-true"),  # restricted by ATEN_CPU_CAPABILITY
        ("DEFAULT", {}, "32-true"),
    ],
)
def test_precision_of_a_cpu(
    monkeypatch: pytest.MonkeyPatch, used: str, features: dict[str, bool], precision: str
) -> None:
    """PyTorch names the instructions that it uses and the features that the processor has."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: used)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert default_precision("cpu") == precision


@pytest.mark.parametrize(("supported", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_precision_of_a_gpu(monkeypatch: pytest.MonkeyPatch, supported: bool, precision: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert default_precision("auto") == default_precision("gpu") == precision


@pytest.mark.parametrize(("accelerator", "device"), [("auto", "mps"), ("gpu", "mps"), ("cpu", "cpu")])
def test_device(monkeypatch: pytest.MonkeyPatch, accelerator: str, device: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device(accelerator) == torch.device(device)
    with pytest.raises(InputError, match="trainer.accelerator=cuda: .* mps, cpu"):
        resolve_device("cuda")

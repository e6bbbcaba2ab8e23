"""Precision and device for an accelerator."""

import pytest
import torch

from digits.devices import default_precision, resolve_device
from digits.errors import InputError


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx512_bf16": True}, "bf16-mixed"), ({"amx_bf16": True}, "bf16-mixed"), ({"avx512_f": True}, "32-true")],
)
def test_precision_of_a_cpu(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
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

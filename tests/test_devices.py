"""bfloat16 is chosen where the processor multiplies it, and nowhere else."""

import pytest
import torch

from digits.devices import default_precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx512_bf16": True}, "bf16-mixed"), ({"amx_bf16": True}, "bf16-mixed"), ({"avx512_f": True}, "32-true")],
)
def test_cpu(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert default_precision("cpu") == precision


@pytest.mark.parametrize(("supported", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_gpu(monkeypatch: pytest.MonkeyPatch, supported: bool, precision: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert default_precision("auto") == default_precision("gpu") == precision

"""What the hardware at hand can do, and what it is called."""

import platform

import torch


def best_precision(accelerator: str) -> str:
    """Lightning's `bf16-mixed` where the accelerator multiplies bfloat16 in hardware, else `32-true`."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available()):
        capabilities = torch.cpu.get_capabilities()
        supported = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    else:
        supported = False
    return "bf16-mixed" if supported else "32-true"


def device_name(device: torch.device) -> str:
    """The processor as its maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
    return f"{name} {device.type}, {torch.get_num_threads()} threads"


def synchronize(device: torch.device) -> None:
    """Waits until the device has done what it was asked to; before the clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

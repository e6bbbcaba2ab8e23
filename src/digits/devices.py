"""The device of PyTorch: its name and its precision."""

import platform

import torch

from digits.errors import InputError, plural


def default_precision(accelerator: str) -> str:
    """`bf16-mixed` where the accelerator multiplies bfloat16 in hardware, else `32-true` (Lightning's names)."""
    is_supported = False
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        is_supported = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available()):
        is_supported = instruction_set() in ("AMX", "AVX-512 BF16")
    return "bf16-mixed" if is_supported else "32-true"


def resolve_device(accelerator: str) -> torch.device:
    """The device for Lightning's `auto`, `cpu`, `gpu`, `cuda` or `mps`. Raises InputError if there is none."""
    available = []  # the fastest first
    if torch.cuda.is_available():
        available.append("cuda")
    if torch.backends.mps.is_available():
        available.append("mps")
    available.append("cpu")
    for name in available:
        is_gpu = name != "cpu"
        if accelerator in ("auto", name) or (accelerator == "gpu" and is_gpu):
            return torch.device(name)
    raise InputError(f"trainer.accelerator={accelerator}: this machine has {', '.join(available)}")


def device_name(device: torch.device) -> str:
    """The product name of the processor; for a CPU with the number of threads that PyTorch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
    threads = torch.get_num_threads()
    return f"{name} {device.type}, {plural(threads, 'thread')}"


def instruction_set() -> str:
    """The widest vector instructions of the CPU that PyTorch uses; the variable ATEN_CPU_CAPABILITY restricts them."""
    capability = torch.backends.cpu.get_cpu_capability()
    if not capability.startswith("AVX512"):
        return capability
    features = torch.cpu.get_capabilities()
    if features.get("amx_bf16"):
        return "AMX"
    if features.get("avx512_bf16"):
        return "AVX-512 BF16"
    return "AVX-512"


def synchronize(device: torch.device) -> None:
    """Waits until all work queued on the device is finished. Call it before reading the clock."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

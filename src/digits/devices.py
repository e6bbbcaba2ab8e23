"""What the hardware at hand can do, and what it is called."""

import ctypes
import platform

import torch

from digits.errors import InputError


def default_precision(accelerator: str) -> str:
    """Lightning's `bf16-mixed` where the accelerator multiplies bfloat16 in hardware, else `32-true`."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available()):
        capabilities = torch.cpu.get_capabilities()
        supported = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    else:
        supported = False
    return "bf16-mixed" if supported else "32-true"


def resolve_device(accelerator: str) -> torch.device:
    """The device that Lightning's `auto`, `cpu`, `gpu`, `cuda` or `mps` means. Raises InputError if there is none."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = {"auto": ("cuda", "mps", "cpu"), "gpu": ("cuda", "mps")}.get(accelerator, (accelerator,))
    for name in wanted:
        if here.get(name):
            return torch.device(name)
    raise InputError(f"trainer.accelerator={accelerator}: this machine has {', '.join(n for n in here if here[n])}")


def device_name(device: torch.device) -> str:
    """The processor as its maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
    threads = torch.get_num_threads()
    return f"{name} {device.type}, {threads} {'thread' if threads == 1 else 'threads'}"


def keep_freed_memory() -> None:
    """Has the C library keep what is freed for the next step. It would give it back to the system and ask for it again,
    page by page: 6 % of a step of `kaggle_cnn`, and far more on a virtual machine short of memory. glibc only."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None) if platform.system() == "Linux" else None:
        trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
        if mallopt(mmap_threshold, 2**30) or mallopt(mmap_threshold, 2**25):  # the most that glibc before 2.35 takes
            mallopt(trim_threshold, -1)


def synchronize(device: torch.device) -> None:
    """Waits until the device has done what it was asked to; before the clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)

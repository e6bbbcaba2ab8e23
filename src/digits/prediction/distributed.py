"""Several devices share one prediction: one process per device, on one machine or several."""

import atexit
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple, TypeAlias, TypeVar

import torch
import torch.distributed as dist

from digits.devices import resolve_device
from digits.errors import InputError
from digits.private_apis import SRUN_WARNING, starts_processes
from digits.processes import ProcessWatch, require_free_port, slurm_hint

Devices: TypeAlias = int | str | list[int]  # a count, auto, or device numbers
T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger(__name__)


class ProcessInfo(NamedTuple):
    rank: int
    world_size: int
    device: torch.device


def is_distributed(devices: Devices, num_nodes: int) -> bool:
    return devices != 1 or num_nodes != 1


def launch(accelerator: str, devices: Devices, num_nodes: int) -> ProcessInfo:
    """Starts one process per device through Lightning; one device needs neither. Raises InputError if there are no such
    devices."""
    device = resolve_device(accelerator)
    if not is_distributed(devices, num_nodes):
        return ProcessInfo(0, 1, device)
    from lightning.fabric import Fabric  # imported late: takes seconds
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    cores = os.cpu_count() or 1
    if device.type == "cpu" and isinstance(devices, int) and devices > 4 * cores:
        raise InputError(f"trainer.devices={devices}: too many processes for {cores} processor cores")
    if num_nodes > 1:
        log.info(f"waiting for {num_nodes} nodes")
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", SRUN_WARNING)
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=num_nodes, strategy="ddp")
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"trainer: {' '.join(str(error).split()).rstrip('.')}{slurm_hint()}") from error
    if starts_processes(fabric.strategy.launcher):  # one process for each device
        ProcessWatch(fabric.strategy.launcher)
    try:
        fabric.launch()
    except dist.DistError as error:
        require_free_port(error)
        raise InputError(f"trainer.devices={devices}: the processes cannot connect ({error})") from error
    atexit.register(dist.destroy_process_group)  # without it Gloo's threads may abort the process at exit
    return ProcessInfo(fabric.global_rank, fabric.world_size, fabric.device)


def ordered_map(function: Callable[[T], R], tasks: Iterator[T], process: ProcessInfo) -> Iterator[R]:
    """Yields the results of all tasks in order, in every process; each computes every `world_size`-th of them. An
    InputError in one process is raised in all."""
    while turn := list(islice(tasks, process.world_size)):
        own: R | InputError | None = None
        if process.rank < len(turn):
            try:
                own = function(turn[process.rank])
            except InputError as error:  # the other processes wait for this one
                own = error
        results: list[Any] = [own] * process.world_size
        if process.world_size > 1:
            try:
                dist.all_gather_object(results, own)
            except RuntimeError as error:
                raise InputError(f"another process of this prediction has ended ({error})") from error
        for result in results[: len(turn)]:
            if isinstance(result, InputError):
                raise result
            yield result

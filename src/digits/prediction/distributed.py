"""One stream of work shared out among processes, one a device, on one machine or several."""

import logging
import os
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from omegaconf import DictConfig, OmegaConf

from digits.devices import resolve_device
from digits.errors import InputError

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")


class Process(NamedTuple):
    """This process: which it is of how many, and its device."""

    rank: int
    world: int
    device: torch.device


def wants_several(trainer: DictConfig) -> bool:
    """Whether the settings of the trainer ask for more than one device."""
    return bool(trainer.devices != 1 or trainer.num_nodes != 1)


def join_processes(trainer: DictConfig) -> Process:
    """Starts a process for each device, through Lightning. One device needs neither a process of its own nor Lightning.

    Raises InputError if there are no such devices.
    """
    device = resolve_device(trainer.accelerator)
    if not wants_several(trainer):
        return Process(0, 1, device)
    from lightning.fabric import Fabric  # only here: its import takes seconds
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    cores = os.cpu_count() or 1
    if device.type == "cpu" and isinstance(trainer.devices, int) and trainer.devices > 4 * cores:
        raise InputError(f"trainer.devices={trainer.devices}: too many processes for {cores} processor cores")
    if trainer.num_nodes > 1:
        log.info(f"waiting for {trainer.num_nodes} nodes")
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    devices: Any = OmegaConf.to_container(trainer.devices) if OmegaConf.is_list(trainer.devices) else trainer.devices
    try:
        fabric = Fabric(accelerator=trainer.accelerator, devices=devices, num_nodes=trainer.num_nodes, strategy="ddp")
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"trainer: {' '.join(str(error).split())}") from error
    fabric.launch()
    return Process(fabric.global_rank, fabric.world_size, fabric.device)


def in_order(tasks: Iterator[Task], work: Callable[[Task], Result], rank: int, world: int) -> Iterator[Result]:
    """The results of all tasks, in each process; the process of this rank works on every `world`-th.

    Raises in all of them the InputError that is met in one.
    """
    while turn := list(islice(tasks, world)):
        mine: Result | InputError | None = None
        if rank < len(turn):
            try:
                mine = work(turn[rank])
            except InputError as error:  # the others must not wait for it
                mine = error
        results: list[Any] = [mine]
        if world > 1:
            results = [None] * world
            dist.all_gather_object(results, mine)
        for result in results[: len(turn)]:
            if isinstance(result, InputError):
                raise result
            yield result

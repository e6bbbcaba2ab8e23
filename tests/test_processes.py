"""Errors of the processes of a run on several devices."""

import socket

import pytest
import torch.distributed as dist

from digits.errors import InputError
from digits.processes import is_first_of_node, is_rank_zero, require_free_port


def test_port_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = str(other.getsockname()[1])
        monkeypatch.setenv("MASTER_PORT", port)
        with pytest.raises(InputError, match=f"MASTER_PORT={port}: .*set another one"):
            require_free_port(dist.DistNetworkError("the server socket has failed to listen"))
    require_free_port(dist.DistNetworkError("the port is free now"))
    require_free_port(RuntimeError("another error"))


@pytest.mark.parametrize(("environment", "is_rank", "is_first"), [
    ({}, True, True),
    ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True, True),  # started by Lightning
    ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, False, False),
    ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False, True),
    ({"RANK": "0", "LOCAL_RANK": "0", "SLURM_PROCID": "1"}, True, True),  # torchrun may order the nodes differently
    ({"RANK": "4", "LOCAL_RANK": "0"}, False, True),
    ({"SLURM_PROCID": "3"}, False, True),
])  # fmt: skip
def test_one_process_of_a_run_writes(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_rank: bool, is_first: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (is_rank_zero(), is_first_of_node()) == (is_rank, is_first)

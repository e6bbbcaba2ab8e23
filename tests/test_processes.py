"""Errors of the processes of a run on several devices."""

import socket

import pytest
import torch.distributed as dist

from digits.errors import InputError
from digits.processes import require_free_port


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

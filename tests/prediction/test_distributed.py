"""Processes share the work, and an error in one ends all."""

from typing import Any

import pytest
import torch

from digits.errors import InputError
from digits.prediction import distributed
from digits.prediction.distributed import ProcessInfo, ordered_map


@pytest.mark.parametrize("rank", [0, 1])
def test_error_in_one_process_is_raised_in_all(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[list[Any]] = [["1", "2"], ["3", InputError("row 4")]]

    def work(task: int) -> str:
        if task == 4:
            raise InputError("row 4")
        return str(task)

    def all_gather_object(gathered: list[Any], own: Any) -> None:
        gathered[:] = results.pop(0)
        assert str(own) == str(gathered[rank])

    monkeypatch.setattr(distributed.dist, "all_gather_object", all_gather_object)
    yielded = ordered_map(work, iter(range(1, 6)), ProcessInfo(rank, 2, torch.device("cpu")))
    assert [next(yielded), next(yielded), next(yielded)] == ["1", "2", "3"]
    with pytest.raises(InputError, match="row 4"):
        next(yielded)

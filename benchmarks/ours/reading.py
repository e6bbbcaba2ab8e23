"""Digits itself: a turn reads a CSV file into tensors, with all its checks."""

import sys
import time

from benchmarks.peers.turns import take_turns
from digits.data.kaggle_csv import read_csv


def turn() -> dict[str, float]:
    began = time.perf_counter()
    read_csv(sys.argv[1])
    return {"seconds": time.perf_counter() - began}


turn()
take_turns(turn)

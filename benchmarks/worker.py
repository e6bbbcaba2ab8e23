"""The measured side of the harness: a program that prepares once, then runs one round per request."""

import json
import sys
import time
from collections.abc import Callable


def serve_rounds(measure: Callable[[], dict[str, float]]) -> None:
    """Prints `ready`, then one JSON line of measurements for each line on standard input.

    Output of libraries is redirected to standard error."""
    output, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=output, flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), file=output, flush=True)


def measure_seconds(work: Callable[..., object], *arguments: object) -> float:
    started_at = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started_at

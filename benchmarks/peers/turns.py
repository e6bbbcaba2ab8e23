"""What every contender of a contest ends with: it waits for its turn, takes it, and tells how long it took."""

import json
import sys
from collections.abc import Callable


def take_turns(turn: Callable[[], dict[str, float]]) -> None:
    """Says that all is prepared; then for every line on standard input takes a turn and prints its measurements. What
    libraries print goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(turn()), file=answers, flush=True)

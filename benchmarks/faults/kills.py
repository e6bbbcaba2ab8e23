"""Sweeps that are killed one to five times and then run to their end: the study must equal the undisturbed one."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.faults.sweeps import STUDY, completed_jobs, differences, start_train, sweep_arguments
from benchmarks.faults.workers import RIGHT, Outcome

MAX_CASES = 10_000
STRIDE = 37  # spreads the operations of consecutive cases
POLITE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def _check(way: str, number_of_case: int, random: Random, originals: Path) -> list[Outcome]:
    """One outcome per kill: whether it lost a result or ended untidily; of the last one, whether the study is right.
    The first kill at a file operation is at another operation in each case."""
    undisturbed = json.loads((originals / "undisturbed.json").read_text())
    arguments, finished, outcomes, status = sweep_arguments(originals), dict[str, bytes](), list[Outcome](), 1
    for kills in range(random.randint(1, 5)):
        number = random.choice(POLITE) if way == "signal" else signal.SIGKILL
        operation, seconds = random.randint(1, undisturbed["operations"]), random.uniform(0, undisturbed["seconds"])
        if way == "operation" and not kills:
            operation = 1 + STRIDE * number_of_case % undisturbed["operations"]
        if way == "operation":
            _, status = os.waitpid(start_train(arguments, kill_at=operation), 0)
        else:
            status = _signal_after(seconds, start_train(arguments), number)
        if status == 0:  # it ended before
            break
        outcome = _judge(finished, status, polite=way == "signal")
        place = f"operation {operation}" if way == "operation" else f"{seconds:.2f} s"
        outcomes.append(outcome._replace(detail=f"{signal.Signals(number).name} at {place}: {outcome.detail}"))
    if status:
        _, status = os.waitpid(start_train(arguments), 0)
    last = _judge(finished, status)
    if last == RIGHT and (found := differences(STUDY, originals / "study")):
        last = Outcome(found[0][0], "; ".join(text for _, text in found))
    if last != RIGHT or not outcomes:
        outcomes[-1:] = [last]
    return outcomes


CHECKS = {
    way: [partial(_check, way, number) for number in range(MAX_CASES)] for way in ("operation", "moment", "signal")
}


def _signal_after(seconds: float, pid: int, number: int) -> int:
    """Sends the signal to a child that still runs then. Returns the status of the child."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.002)
    os.kill(pid, number)
    return os.waitpid(pid, 0)[1]


def _judge(finished: dict[str, bytes], status: int, polite: bool = False) -> Outcome:
    """Compares with the jobs that had `finished` before, and adds those that have finished now."""
    now, errors = completed_jobs(STUDY), Path("stderr").read_text()
    lost = [name for name, content in finished.items() if now.get(name) != content]
    finished |= now
    if lost:
        return Outcome("lost", f"the completed {', '.join(lost)} has changed")
    if "Traceback" in errors and not os.WIFSIGNALED(status):
        return Outcome("traceback", errors)
    if polite and len(errors.splitlines()) > 1:
        return Outcome("unclear message", errors)
    if not polite and status and not os.WIFSIGNALED(status):
        return Outcome("wrong", f"ends with status {status}: {errors}")
    return RIGHT

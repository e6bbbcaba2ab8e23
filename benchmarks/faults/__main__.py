"""Tries damaged and unusual inputs, kills sweeps, and counts how the project ends: `python -m benchmarks.faults`.

Number i of a kind is the same input for the same seed; `--only csv:12` repeats it, prints its message and
keeps its file in outputs/faults/. Kills at random moments and by signals repeat only roughly."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: a forked process must not inherit threads
os.environ["MPLBACKEND"] = "agg"

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from benchmarks.faults import digit_files, kills, models, pictures, processes, records
from benchmarks.faults.originals import make_originals
from benchmarks.faults.table import Counts, table_lines
from benchmarks.faults.workers import Case, Kind, run_cases
from benchmarks.report import replace_blocks

INPUTS = {
    "csv": Kind("CSV", digit_files.check_csv, 20),
    "idx": Kind("IDX", digit_files.check_idx, 12),
    "npy": Kind(".npy", digit_files.check_npy, 8),
    "packed": Kind(".npz, ZIP, bz2, xz", digit_files.check_packed, 8),
    **{form.lower(): Kind(form, check, 5) for form, check in pictures.CHECKS.items()},
    "ckpt": Kind("checkpoint", models.check_checkpoint, 10),
    "onnx": Kind("ONNX", models.check_onnx, 8),
    "metrics": Kind("metrics.json", records.check_metrics, 8),
    "study": Kind("study.json", records.check_study, 4),
    "search": Kind("search.json", records.check_search, 5),
}
KILLS = {
    "operation": Kind("SIGKILL at a file operation", kills.CHECKS["operation"], 45, limit=180),
    "moment": Kind("SIGKILL at a random moment", kills.CHECKS["moment"], 35, limit=180),
    "signal": Kind("SIGTERM, SIGINT, SIGHUP or SIGQUIT", kills.CHECKS["signal"], 20, limit=180),
}
PROCESSES = {"process": Kind("program in a process of its own", processes.CHECKS, 1, limit=120)}
PARTS = {"inputs": INPUTS, "kills": KILLS, "processes": PROCESSES}
LIBRARIES = [
    "filelock", "hydra_plugins.digits_sweepers", "matplotlib.pyplot", "optuna", "scipy.stats",
    "digits.evaluation.plots", "digits.studies.plots", "digits.studies.runner", "digits.training.train",
]  # fmt: skip
FOLDER = Path("outputs/faults")  # for the files of a repeated case
KINDS = INPUTS | KILLS | PROCESSES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}, or kinds: {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs and kills (0)")
    parser.add_argument("--inputs", type=int, default=10_000, help="over all kinds (10,000)")
    parser.add_argument("--kills", type=int, default=200, help="over all kinds, approximately (200)")
    parser.add_argument("--only", metavar="KIND:NUMBER", help="repeat one case")
    parser.add_argument("--page", type=Path, help="update the table of this page, such as docs/reliability.md")
    parser.add_argument("--save", type=Path, metavar="FILE.json", help="write the counts")
    options = parser.parse_args()
    known = PARTS | {name: {name: kind} for name, kind in KINDS.items()}
    if unknown := {*options.parts, *([options.only.partition(":")[0]] if options.only else [])} - set(known):
        sys.exit(f"error: unknown part {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    chosen = [name for part in options.parts or PARTS for name in known[part]]
    if options.only:
        kind, _, number = options.only.partition(":")
        cases = iter([Case(kind, int(number))])
    else:
        cases = _cases(chosen, options.inputs, options.kills)

    import_libraries()
    counts, started_at = Counts(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        make_originals(Path(name) / "originals")
        print(f"originals: {time.monotonic() - started_at:.0f} s", file=sys.stderr)
        for done, (case, outcomes) in enumerate(run_cases(KINDS, cases, options.seed, Path(name)), 1):
            counts.add(case, outcomes)
            if options.only:
                shutil.copytree(Path(name) / "worker-0", FOLDER / f"{case.kind}-{case.number}", dirs_exist_ok=True)
                print(*(f"{cell}: {detail}" for cell, detail in outcomes), sep="\n")
            elif done % 100 == 0 or case.kind not in INPUTS:
                seconds = time.monotonic() - started_at
                print(f"{seconds:6.0f} s  {done:,} cases, now {case.kind}, {counts.bad:,} bad", file=sys.stderr)
    if options.only:
        sys.exit(counts.bad > 0)
    record = counts.record(KINDS, options.seed)
    table = table_lines(record["counts"])
    print("\n".join([*counts.example_lines(), "", *table]))
    if options.save:
        options.save.write_text(json.dumps(record, indent=1) + "\n")
    if options.page:
        options.page.write_text(replace_blocks(options.page.read_text(), lambda _: table))
    sys.exit(counts.bad > 0)


def _cases(chosen: list[str], inputs: int, kills: int) -> Iterator[Case]:
    """The share of each chosen kind. A kill case kills about 1.7 times."""
    for group, total in ((INPUTS, inputs), (KILLS, kills / 1.7)):
        names = [name for name in chosen if name in group]
        shares = sum(group[name].share for name in names)
        for name in names:
            yield from (Case(name, number) for number in range(round(total * group[name].share / shares)))
    if "process" in chosen:
        yield from (Case("process", number) for number in range(len(processes.CHECKS)))


def import_libraries() -> None:
    """Imports the libraries once for all workers, but not ONNX Runtime, which starts a thread."""
    for name in LIBRARIES:
        import_module(name)


if __name__ == "__main__":
    main()

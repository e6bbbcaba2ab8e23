"""The harness compares correctly, and docs/performance.md shows its records."""

import sys
from pathlib import Path

import pytest
from helpers import PROJECT

from benchmarks.harness import PROJECT_NAME, Benchmark, Command, Worker, run_benchmark
from benchmarks.report import benchmark_table, update_page

PAGE = PROJECT / "docs" / "performance.md"
VALUES = {PROJECT_NAME: [400.0, 300.0, 900.0], "Peer": [100.0] * 3}


def benchmark(quantity: str, **missing: str) -> Benchmark:
    rounds = {program: [{quantity: value} for value in values] for program, values in VALUES.items()}
    return Benchmark("title", quantity, rounds, missing)


@pytest.mark.parametrize(("quantity", "speedups"), [("images/s", [4, 3, 9]), ("seconds", [1 / 4, 1 / 3, 1 / 9])])
def test_speedup_is_above_1_for_more_images_or_fewer_seconds(quantity: str, speedups: list[float]) -> None:
    assert benchmark(quantity).speedups("Peer") == speedups


def test_table_has_the_median_ratio_and_the_missing_programs() -> None:
    lines = benchmark_table(benchmark("images/s", Absent="no environment"))
    assert lines[0] == "| title  | images/s | lowest – highest |  Digits is |"
    assert lines[2] == "| Digits |      400 |        300 – 900 |            |"
    assert lines[3] == "| Peer   |      100 |        100 – 100 | **4.00 ×** |"
    assert lines[4].endswith("Missing: Absent, no environment")


def test_a_program_that_cannot_run_is_missing_and_the_others_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "good.py").write_text(
        "from benchmarks.worker import serve_rounds\n"
        "serve_rounds(lambda: print('output of a library') or {'seconds': 2.0})\n"
    )
    (tmp_path / "bad.py").write_text("raise ImportError('no module named foo')")
    programs = [
        Worker("good", "good"),
        Worker("bad", "bad"),
        Worker("not installed", "good", python=PROJECT / "no" / "python"),
        Command("failing", sys.executable, "-c", "raise SystemExit('out of memory')"),
    ]
    measured = run_benchmark("title", "seconds", programs, rounds=3)
    assert measured.rounds == {"good": [{"seconds": 2.0}] * 3}
    assert measured.missing == {
        "bad": "ImportError: no module named foo",
        "not installed": "no environment for it at no/python: `make peers`",
        "failing": "out of memory",
    }


def test_page_shows_the_records() -> None:
    assert update_page(PAGE.read_text(), PROJECT / "docs" / "performance") == PAGE.read_text()

"""The benchmarks count as they say, and the page of performance is what was recorded."""

import sys
from pathlib import Path

import pytest
from helpers import PROJECT

from benchmarks import contest
from benchmarks.contest import US, Command, Contest, Worker, hold
from benchmarks.page import filled

PAGE = PROJECT / "docs" / "performance.md"
RATES = {US: [{"images/s": 400.0}, {"images/s": 300.0}, {"images/s": 900.0}], "Peer": [{"images/s": 100.0}] * 3}


def test_more_images_and_fewer_seconds_are_an_advantage() -> None:
    assert Contest("rates", "images/s", RATES, {}).advantages("Peer") == [4, 3, 9]
    seconds = {name: [{"seconds": turn["images/s"]} for turn in turns] for name, turns in RATES.items()}
    assert Contest("times", "seconds", seconds, {}).advantages("Peer") == [1 / 4, 1 / 3, 1 / 9]


def test_table_has_the_median_of_the_ratios_and_names_who_is_missing() -> None:
    lines = Contest("rates", "images/s", RATES, {"Absent": "no environment"}).table()
    assert lines[0] == "| rates  | images/s | lowest – highest |  Digits is |"
    assert lines[2] == "| Digits |      400 |        300 – 900 |            |"
    assert lines[3] == "| Peer   |      100 |        100 – 100 | **4.00 ×** |"
    assert lines[4].endswith("Missing: Absent, no environment")


def test_a_peer_that_cannot_run_is_missing_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "HERE", tmp_path)
    (tmp_path / "good.py").write_text(
        "from benchmarks.peers.turns import take_turns\n"
        "take_turns(lambda: print('a library talks') or {'seconds': 2.0})\n"
    )
    (tmp_path / "bad.py").write_text("raise ImportError('no module named foo')")
    contenders = [
        Worker("good", "good.py"),
        Worker("bad", "bad.py"),
        Worker("nowhere", "good.py", python=contest.PROJECT / "no" / "python"),
        Command("failing", sys.executable, "-c", "raise SystemExit('it is not so')"),
    ]
    held = hold("a contest", "seconds", contenders, turns=3)
    assert held.turns == {"good": [{"seconds": 2.0}] * 3}
    assert held.missing == {
        "bad": "ImportError: no module named foo",
        "nowhere": "no environment for it at no/python: `make peers`",
        "failing": "it is not so",
    }


def test_page_shows_what_was_recorded() -> None:
    assert filled(PAGE.read_text(), PROJECT / "docs" / "performance") == PAGE.read_text()

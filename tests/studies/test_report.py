"""`python -m digits.studies`, and the files of a running study."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from studies.made_runs import write_run

from digits.runs.folder import RunFolder
from digits.studies.__main__ import main
from digits.studies.plots import _histories
from digits.studies.report import LiveLeaderboard
from digits.studies.results import read_result


@pytest.mark.usefixtures("drawn_figures")
def test_files_are_rebuilt_byte_for_byte(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(study)])
    files = {path.name: path.read_bytes() for path in study.iterdir() if path.is_file()}
    assert set(files) == {"leaderboard.csv", "leaderboard.md", "leaderboard.png", "curves.png"}
    assert capsys.readouterr().out.encode() == files["leaderboard.md"]
    main([str(study), "--save", str(tmp_path / "elsewhere")])
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()}


def test_studies_are_joined_with_extra_columns(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "second" / "d_0", "optimizer=d seed=0 model=m", 3)
    (tmp_path / "printed.csv").write_text("optimizer,printed\nd,0.3 %\nz,9 %\n")
    main([str(study), str(tmp_path / "second"), "--beside", str(tmp_path / "printed.csv")])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("# ", "|"))]
    assert lines[0] == "# first + second"
    assert "| printed |" in lines[1]
    assert ["0.3 %" in line for line in lines[3:]] == [False, True, False, False]
    assert not (tmp_path / "second" / "leaderboard.md").exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("foo,paper\n1,2\n", "row 1: no column of the table; the columns are optimizer"),
        ("optimizer,paper\na\n", "row 2: 1 values for 2 columns"),
        ("", "not a readable CSV file"),
    ],
)
def test_invalid_extra_columns_are_one_line(study: Path, content: str, line: str) -> None:
    (study / "b.csv").write_text(content)
    with pytest.raises(SystemExit, match=f"b.csv.*{line}"):
        main([str(study), "--beside", str(study / "b.csv")])


@pytest.mark.parametrize(("folder", "line"), [("nowhere", "nowhere: no such folder"), (".", "no metrics.json")])
def test_folder_without_runs_is_one_line(folder: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=line):
        main([str(tmp_path / folder)])


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"status": "completed"}', '{"status": "completed", "val": {}}', '{"status": "", "overrides": 1}'],
)
def test_damaged_metrics_are_named_and_left_out(study: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = study / "a_1" / "metrics.json"
    damaged.write_text(content)
    main([str(study)])
    out, err = capsys.readouterr()
    assert err.startswith(f"left out: {damaged}: damaged")
    assert f"Left out: {damaged}: damaged" in out
    assert [row["done"] for row in csv.DictReader((study / "leaderboard.csv").open())] == ["1", "2", "3"]


def test_damaged_history_does_not_stop_the_table(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "a_0" / "history.csv").write_bytes(b"")
    (study / "b_0" / "history.csv").write_bytes(b"\xff\xfe\x00")
    main([str(study)])
    assert "| a " in capsys.readouterr().out


def test_running_study_reads_each_run_once_and_keeps_its_table_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, loads = [], json.loads
    monkeypatch.setattr("json.loads", lambda text: reads.append(text) or loads(text))
    live = LiveLeaderboard(tmp_path)
    for ended in range(1, 151):
        write_run(tmp_path / str(ended), f"seed={ended}", 5)
        live.update(read_result(RunFolder(tmp_path / str(ended))))
        (row,) = csv.DictReader((tmp_path / "leaderboard.csv").open())
        assert ended - int(row["done"]) <= 0.02 * ended
    assert (tmp_path / "leaderboard.png").exists()
    assert len(reads) <= 151


def test_curves_connect_the_epochs_that_were_validated(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,train/error,val/error\n1,0.5,\n2,0.4,0.3\n3,0.3,\n4,0.2,0.1\n")
    row: Any = SimpleNamespace(completed=[SimpleNamespace(files=RunFolder(tmp_path))])
    [errors] = _histories(row, "val/error")
    assert errors.to_dict() == {2: 0.3, 4: 0.1}

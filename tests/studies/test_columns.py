"""The columns of a leaderboard."""

from operator import attrgetter
from pathlib import Path

from studies.made_runs import leaderboard, write_run

from digits.studies.columns import Column
from digits.studies.leaderboard import markdown_table


def test_missing_values_are_empty_in_csv_and_a_dash_in_markdown(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "seed=0", None)
    [row] = leaderboard(tmp_path).rows
    column = Column("val error", ("mean", "std"), attrgetter("val_error"))
    assert (column.csv_cells(row), column.markdown_cell(row)) == ([None, None], "–")


def test_value_with_several_names_has_a_cell_for_each(study: Path) -> None:
    *_, row = leaderboard(study).rows
    column = Column("", ("mean", "std"), attrgetter("val_error"))
    assert column.csv_cells(row) == list(row.val_error)


def test_long_reason_is_shortened_in_markdown_only(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "seed=0", None, reason=200 * "x")
    board = leaderboard(tmp_path)
    assert f" {119 * 'x'}… " in board.table()
    assert 200 * "x" in board.csv()


def test_markdown_table_is_aligned() -> None:
    lines = markdown_table(["a", "long"], [["123", "4"]]).splitlines()
    assert lines == ["| a   | long |", "| --- | ---- |", "| 123 | 4    |"]

"""The digits that most runs of the best configuration misclassify."""

from pathlib import Path

import pandas as pd
import pytest
from helpers import config, frame, made_digits
from studies.made_runs import leaderboard, write_mistakes, write_run

from digits.studies.__main__ import main
from digits.studies.frequent_mistakes import write_frequent_mistakes

COLUMNS = ["split", "index", "label", "misclassified_by", "of", "predicted"]


def frequent_mistakes(folder: Path) -> list[tuple[object, ...]]:
    write_frequent_mistakes(leaderboard(folder), folder)
    table = pd.read_csv(folder / "misread.csv")
    assert list(table) == COLUMNS
    return list(table.itertuples(index=False, name=None))


def test_most_often_missed_digit_of_the_first_row_is_first(study: Path) -> None:
    write_run(study / "c_2", "optimizer=c seed=2 model=m study=first", 999)
    assert [row.values for row in leaderboard(study).rows] == [("a",), ("b",), ("c",)]
    write_mistakes(study / "a_0", {3: (1, 7), 4: (2, 3)}, "test")
    write_mistakes(study / "a_1", {3: (1, 2), 90: (8, 9)}, "test")
    write_mistakes(study / "a_2", {3: (1, 7), 4: (2, 3)}, "test")
    write_mistakes(study / "b_0", {5: (1, 7)}, "test")
    assert frequent_mistakes(study) == [
        ("test", 3, 1, 3, 3, 7),
        ("test", 4, 2, 2, 3, 3),
        ("test", 90, 8, 1, 3, 9),
    ]


def test_most_confident_mistake_is_first_among_equals(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / str(seed), f"seed={seed}", 5)
        write_mistakes(tmp_path / str(seed), {10 + seed: (1, 7), 20 - 10 * seed: (1, 7)}, "test")
    assert [index for _, index, *_ in frequent_mistakes(tmp_path)] == [10, 20, 11]


def test_runs_without_mistakes_count(tmp_path: Path) -> None:
    for seed, mistakes in enumerate([{}, {3: (1, 7)}]):
        write_run(tmp_path / str(seed), f"seed={seed}", 5)
        write_mistakes(tmp_path / str(seed), mistakes, "test")
    assert frequent_mistakes(tmp_path) == [("test", 3, 1, 1, 2, 7)]


def test_validation_digits_of_complete_folds_without_a_test(tmp_path: Path) -> None:
    for seed in range(2):
        for fold in range(2):
            run = tmp_path / f"{seed}{fold}"
            write_run(run, f"data.folds=2 data.fold={fold} seed={seed}", 5, test=None)
            write_mistakes(run, {fold: (1, 7)} if seed else {fold: (1, 7), fold + 2: (2, 3)})
    assert [row[:5] for row in frequent_mistakes(tmp_path)] == [
        ("val", 1, 1, 2, 2),
        ("val", 0, 1, 2, 2),
        ("val", 3, 2, 1, 2),
        ("val", 2, 2, 1, 2),
    ]


def test_single_run_or_incomplete_folds_write_nothing(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "data.folds=2 data.fold=0", 5)
    write_mistakes(tmp_path / "a", {3: (1, 7)}, "test")
    write_run(tmp_path / "b", "data.folds=3 data.fold=0 seed=1", 5, test=None)
    write_mistakes(tmp_path / "b", {3: (1, 7)})
    for folder in ("a", "b"):
        assert write_frequent_mistakes(leaderboard(tmp_path / folder), tmp_path) is None
    assert not (tmp_path / "misread.csv").exists()


def test_picture_has_the_test_digits_of_the_data_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = made_digits(80)
    for name, part in (("train", slice(10)), ("test", slice(10, 80))):
        frame(images[part], labels[part]).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [f"data.{name}_csv={tmp_path / name}.csv" for name in ("train", "test")]
    for seed in range(2):
        made = config("data=csv", *files, f"seed={seed}")
        write_run(tmp_path / "study" / str(seed), f"seed={seed}", 5, config=made)
        write_mistakes(tmp_path / "study" / str(seed), {index: (index % 10, 0) for index in range(65 + seed)}, "test")
    drawn = []
    monkeypatch.setattr("digits.studies.digit_pictures.plot_digits", lambda *arguments: drawn.append(arguments))
    main([str(tmp_path / "study")])
    [(shown, captions, title, _)] = drawn
    assert len(captions) == 60
    assert (shown == images[10:][range(64, 4, -1)].numpy()).all()  # the most confident first
    assert captions[:2] == ["4 → 0  2/2", "3 → 0  2/2"]
    assert "the first 60 of 66" in title

"""Cross-validation: its study, the joined predictions, and the possible label errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import compose_config, config, frame, made_digits, run_main
from hydra.core.override_parser.overrides_parser import OverridesParser
from studies.made_runs import leaderboard, write_out_of_fold, write_run

from digits.errors import InputError
from digits.runs.digit_tables import PROBABILITIES
from digits.settings import TrainSettings
from digits.studies.__main__ import main
from digits.studies.folds import find_label_issues, write_folds

LABELS = {index: index for index in range(6)}


def write_fold(
    folder: Path, fold: int, indices: list[int], seed: int = 0, first: float = 1.0, total: int = 3, **more: Any
) -> Path:
    """A run of two folds. Each digit of the fold has the probability `first` of class 0."""
    score = {"errors": 1, "total": total, "error": 0.5, "low": 0.1, "high": 0.9}
    run = folder / f"fold-{fold}_seed-{seed}"
    write_run(run, f"data.folds=2 data.fold={fold} seed={seed}", 1, val=score, test=None, **more)
    write_out_of_fold(run, {index: LABELS[index] for index in indices}, [{0: first, 1: 1 - first}] * len(indices))
    return run


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


def test_probabilities_of_all_folds_are_joined_by_index(tmp_path: Path) -> None:
    write_fold(tmp_path, 0, [5, 0, 2])
    write_fold(tmp_path, 1, [4, 1, 3], first=0.25)
    write_folds(leaderboard(tmp_path), tmp_path)
    table = read(tmp_path / "out_of_fold.csv")
    assert list(table) == ["index", "label", *PROBABILITIES]
    assert (table["index"].tolist(), table["label"].tolist()) == ([*range(6)], [*range(6)])
    assert table["p0"].tolist() == [1, 0.25, 1, 0.25, 0.25, 1]


def test_probabilities_are_averaged_over_seeds(tmp_path: Path) -> None:
    for seed, first in enumerate((1.0, 0.5)):
        write_fold(tmp_path, 0, [0, 2, 4] if seed else [0, 1, 2], seed, first)
        write_fold(tmp_path, 1, [1, 3, 5] if seed else [3, 4, 5], seed, first)
    write_folds(leaderboard(tmp_path), tmp_path)
    assert read(tmp_path / "out_of_fold.csv")[["p0", "p1"]].to_numpy().tolist() == [[0.75, 0.25]] * 6


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ([0, 1, 2], [2, 3, 4], "digit 2 is in 2 folds of seed 0"),
        ([0, 1, 2], [3, 5], "digit 4 is in 0 folds of seed 0"),
        ([0, 1, 2], [3, 4], "digit 5 is in 0 folds of seed 0"),
    ],
)
def test_digit_that_is_not_in_exactly_one_fold_is_named(
    tmp_path: Path, first: list[int], second: list[int], line: str
) -> None:
    write_fold(tmp_path, 0, first)
    write_fold(tmp_path, 1, second)
    with pytest.raises(InputError, match=f"{tmp_path}: {line}"):
        write_folds(leaderboard(tmp_path), tmp_path)
    assert not (tmp_path / "out_of_fold.csv").exists()


@pytest.mark.parametrize("second", [[3, 4, 5], [3]])
def test_seeds_with_different_data_are_not_averaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: list[int]
) -> None:
    """Another label, or fewer digits."""
    for seed, indices in enumerate(([3, 4, 5], second)):
        write_fold(tmp_path, 0, [0, 1, 2], seed)
        write_fold(tmp_path, 1, indices, seed, total=len(indices))
        if len(second) == 3:
            monkeypatch.setitem(LABELS, 4, 9)
    with pytest.raises(InputError, match=f"{tmp_path}: digit 4 "):
        write_folds(leaderboard(tmp_path), tmp_path)


@pytest.mark.parametrize("missing", ["fold", "file", "folds of one seed"])
def test_nothing_is_joined_from_incomplete_folds(tmp_path: Path, missing: str) -> None:
    write_fold(tmp_path, 0, [0, 1, 2])
    if missing != "fold":
        run = write_fold(tmp_path, 1, [3, 4, 5])
    if missing == "file":  # a run of an older version
        (run / "out_of_fold.csv").unlink()
    if missing == "folds of one seed":
        write_fold(tmp_path, 0, [0, 1, 2], seed=1)
    assert write_folds(leaderboard(tmp_path), tmp_path) is None
    assert not (tmp_path / "out_of_fold.csv").exists()


@pytest.mark.parametrize("content", ["", "index,label\n0,1\n", None])
def test_damaged_probabilities_are_named(tmp_path: Path, content: str | None) -> None:
    write_fold(tmp_path, 0, [0, 1, 2])
    path = write_fold(tmp_path, 1, [3, 4, 5]) / "out_of_fold.csv"
    path.write_text(path.read_text().replace("1.0", "1.5") if content is None else content)
    with pytest.raises(InputError, match=f"{path}"):
        write_folds(leaderboard(tmp_path), tmp_path)


def test_flipped_labels_are_found_and_clean_ones_are_not() -> None:
    """200 digits of 10 classes with probabilities 0.6 to 0.99 of their class; the labels of five are flipped."""
    random = np.random.default_rng(0)
    true = np.arange(200) % 10
    probabilities = np.zeros((200, 10))
    certain = random.uniform(0.6, 0.99, 200)
    flipped = [3, 50, 77, 120, 199]
    certain[flipped] = (0.991, 0.992, 0.993, 0.994, 0.995)
    probabilities[np.arange(200), true] = certain
    probabilities[np.arange(200), (true + 1) % 10] = 1 - certain
    labels = true.copy()
    labels[flipped] = (true[flipped] + 1) % 10
    issues = find_label_issues(_table(labels, probabilities))
    assert issues["index"].tolist() == flipped[::-1]  # the least probable label first
    assert issues["suggested"].tolist() == true[flipped[::-1]].tolist()
    assert issues["p_label"].tolist() == pytest.approx([0.005, 0.006, 0.007, 0.008, 0.009])
    assert issues["p_suggested"].tolist() == pytest.approx([0.995, 0.994, 0.993, 0.992, 0.991])


def test_threshold_of_a_class_is_its_mean_probability() -> None:
    """0.6 of class 0, 0.54 of class 1. Nothing counts as class 2, which no digit has as its label."""
    digits = [
        (0, {0: 0.5, 2: 0.5}), (0, {0: 0.7, 2: 0.3}),
        (1, {1: 1.0}), (1, {1: 0.9, 2: 0.1}), (1, {2: 1.0}), (1, {0: 0.62, 1: 0.38}), (1, {0: 0.58, 1: 0.42}),
    ]  # fmt: skip
    probabilities = np.array([[values.get(k, 0.0) for k in range(10)] for _, values in digits])
    issues = find_label_issues(_table(np.array([label for label, _ in digits]), probabilities))
    assert issues.to_numpy().tolist() == [[5, 1, 0, 0.38, 0.62]]


def _table(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(probabilities, columns=PROBABILITIES)
    table.insert(0, "index", range(len(labels)))
    table.insert(1, "label", labels)
    return table


def test_folds_combine_with_any_experiment() -> None:
    words = ["experiment=[fast,study/folds]", "data.folds=3"]
    params = dict(compose_config(*words, hydra=True).hydra.sweeper.params)
    (sweep,) = OverridesParser.create().parse_overrides([f"{key}={values}" for key, values in params.items()])
    assert (sweep.key_or_group, list(sweep.sweep_string_iterator())) == ("data.fold", ["0", "1", "2"])
    job = config(*words, "data.fold=2")
    TrainSettings.from_config(job)
    alone = config("experiment=fast")
    assert {**alone, "study": job["study"], "test": False, "data": {**alone["data"], "folds": 3, "fold": 2}} == {
        **job, "name": alone["name"],
    }  # fmt: skip


def test_sweep_over_folds_writes_the_files_on_single_digits(tmp_path: Path) -> None:
    frame(*made_digits(120)).to_csv(tmp_path / "train.csv", index=False)
    words = "experiment=[fast,study/folds] data.folds=3 data=csv data.train_csv=train.csv data.batch_size=8 trainer=cpu"
    sweep = run_main("train.py", *words.split(), "+trainer.limit_train_batches=3", folder=tmp_path)
    assert (sweep.returncode, sweep.stderr) == (0, "")
    folder = tmp_path / "outputs" / "folds"
    assert {f"fold-{fold}_seed-0" for fold in range(3)} == {path.name for path in folder.iterdir() if path.is_dir()}
    table = read(folder / "out_of_fold.csv")
    assert (table["index"].tolist(), table["label"].tolist()) == (list(range(120)), made_digits(120)[1].tolist())
    wrong = table["index"][table[PROBABILITIES].to_numpy().argmax(1) != table["label"]]
    assert sorted(read(folder / "misread.csv")["index"]) == wrong.tolist()
    for name in ("label_issues.csv", "label_issues.png", "misread.png"):
        assert (folder / name).exists()
    assert "outputs/folds/out_of_fold.csv" in sweep.stdout


@pytest.mark.usefixtures("drawn_figures")
@pytest.mark.parametrize("target", ["os.mkdir", "digits.data.sources._read_labeled", "digits.data.sources.csv"])
def test_pictures_call_only_data_sources(tmp_path: Path, caplog: pytest.LogCaptureFixture, target: str) -> None:
    """A metrics.json from another machine may name any function."""
    frame(*made_digits(6)).to_csv(tmp_path / "train.csv", index=False)
    made = config("data=csv", f"data.train_csv={tmp_path / 'train.csv'}", f"+data.path={tmp_path / 'made'}")
    made["data"]["source"]["_target_"] = target
    write_two_folds(tmp_path / "study", made)
    main([str(tmp_path / "study")])
    drawn = target == "digits.data.sources.csv"
    assert (tmp_path / "study" / "label_issues.csv").exists()
    assert (tmp_path / "study" / "label_issues.png").exists() == drawn
    assert len(caplog.messages) == (0 if drawn else 1)
    assert drawn or f"label_issues.png is not drawn: {target} is not a function" in caplog.text
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("digits", [None, 5, 7])
def test_picture_of_other_data_is_not_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, digits: int | None
) -> None:
    """The file is missing, has fewer digits, or has other labels."""
    path = tmp_path / "train.csv"
    if digits:
        images, labels = made_digits(digits)
        frame(images, labels.flip(0)).to_csv(path, index=False)
    write_two_folds(tmp_path / "study", config("data=csv", f"data.train_csv={path}"))
    main([str(tmp_path / "study")])
    assert (tmp_path / "study" / "label_issues.csv").exists()
    assert not (tmp_path / "study" / "label_issues.png").exists()
    (line,) = caplog.messages
    assert ("other digits" if digits else "train.csv: no such file") in line


def write_two_folds(folder: Path, made: dict[str, Any]) -> None:
    """Digit 5 is an issue of the digits with the probabilities 1 and 0 of the classes 0 and 1."""
    for fold in range(2):
        more = {**made, "data": {**made["data"], "folds": 2, "fold": fold}}
        write_fold(folder, fold, [3, 4, 5] if fold else [0, 1, 2], config=more)

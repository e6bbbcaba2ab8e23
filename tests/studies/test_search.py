"""Proposals of a search, without training."""

from pathlib import Path
from unittest import mock

import pytest

pytest.importorskip("optuna")

from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from studies.made_runs import write_run

from digits.errors import InputError
from digits.runs.folder import RunFolder
from digits.studies.results import read_result
from digits.studies.search import Search

DISTRIBUTIONS = {
    "optimizer.lr": FloatDistribution(1e-4, 0.1, log=True),
    "optimizer": CategoricalDistribution(("a", "b")),
}


def run_search(path: Path, trials: int, at_once: int) -> list[dict[str, float]]:
    """Trials that fail, or whose error is their learning rate."""
    search = Search(path, DISTRIBUTIONS, seed=0)
    while batch := search.ask(trials, at_once):
        for number, settings in batch.items():
            search.errors[number] = None if number == 1 else float(settings["optimizer.lr"])
    return search.trials


@pytest.mark.parametrize("at_once", [1, 2])
def test_resumed_search_makes_the_same_proposals(tmp_path: Path, at_once: int) -> None:
    whole = run_search(tmp_path / "whole.json", 12, at_once)
    assert run_search(tmp_path / "parts.json", 2, at_once) == whole[:2]
    assert run_search(tmp_path / "parts.json", 12, at_once) == whole
    rates = [trial["optimizer.lr"] for trial in whole]
    assert len(set(rates)) == 12
    assert all(1e-4 <= rate <= 0.1 and float(f"{rate:.4g}") == rate for rate in rates)


def test_killed_search_resumes_with_the_trials_it_had_started(tmp_path: Path) -> None:
    started = Search(tmp_path / "search.json", DISTRIBUTIONS, seed=0).ask(5, 2)
    resumed = Search(tmp_path / "search.json", DISTRIBUTIONS, seed=0)
    assert resumed.ask(5, 4) == started
    resumed.errors = dict.fromkeys(started, 0.1)
    assert list(resumed.ask(5, 4)) == [2, 3, 4]


def test_result_of_a_trial_is_the_mean_of_its_validation_errors(tmp_path: Path) -> None:
    for name, errors in (("a", 10), ("b", 20), ("c", None)):
        write_run(tmp_path / name, "", errors)
    search = Search(tmp_path / "search.json", DISTRIBUTIONS, seed=0)
    a, b, c, missing = (read_result(RunFolder(tmp_path / name)) for name in "abcd")
    for number, results in enumerate([[a, b], [a, c], [a, missing]]):
        search.tell(number, results)
    assert search.errors == {0: pytest.approx(0.015), 1: None, 2: None}


def test_epochs_without_validation_are_no_results(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "", 10)
    (tmp_path / "a" / "history.csv").write_text("epoch,val/error\n1,\n2,0.25\n")
    search = Search(tmp_path / "search.json", DISTRIBUTIONS, seed=0)
    search.ask(1, 1)
    result = read_result(RunFolder(tmp_path / "a"))
    search.tell(0, [result, result])
    assert search.earlier_curves(1) == [[None, 0.25]]
    assert search._optuna_study().trials[0].intermediate_values == {2: 0.25}


def test_trial_is_pruned_if_one_of_its_jobs_is(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "", 10)
    write_run(tmp_path / "b", "", 20, status="pruned")
    search = Search(tmp_path / "search.json", DISTRIBUTIONS, seed=0)
    search.ask(2, 2)
    a, b = (read_result(RunFolder(tmp_path / name)) for name in "ab")
    search.tell(0, [a, a])
    search.tell(1, [a, b])
    completed, pruned = search._optuna_study().trials
    assert (completed.state, completed.value) == (TrialState.COMPLETE, 0.01)
    assert (pruned.state, pruned.value) == (TrialState.PRUNED, None)
    assert pruned.intermediate_values == {1: 0.5, 2: pytest.approx(0.015)}


def test_job_is_compared_with_the_completed_trials_before_it(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "", 10)
    write_run(tmp_path / "b", "", 20, status="pruned")
    write_run(tmp_path / "c", "", None)
    search = Search(tmp_path / "search.json", DISTRIBUTIONS, seed=0)
    for number, name in enumerate("abca"):
        search.tell(number, [read_result(RunFolder(tmp_path / name))])
    assert search.earlier_curves(3) == [[0.5, 0.01]]
    assert search.earlier_curves(0) == []


@pytest.mark.parametrize("content", [
    "{", '[{"optimizer.lr": 7}]', '[{"optimizer.lr": 0.1, "optimizer": "c"}]', "[1]", "3",
    '[{"optimizer.lr": 0.2, "optimizer": "a"}]', '[{"optimizer.lr": "0.1", "optimizer": "a"}]',
    '[{"optimizer.lr": NaN, "optimizer": "a"}]', '[{"optimizer.lr": true, "optimizer": "a"}]',
    '[{"optimizer.lr": 0.1, "optimizer": ["a"]}]',
    '[{"optimizer.lr": 0.1, "optimizer": "a", "trainer.callbacks": "[{_target_: os.getcwd}]"}]',
])  # fmt: skip
def test_damaged_proposals_are_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "search.json").write_text(content)
    with pytest.raises(InputError, match="search.json: damaged"):
        Search(tmp_path / "search.json", DISTRIBUTIONS, seed=0)


def test_proposals_that_python_cannot_parse_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "search.json").write_text("[]")
    monkeypatch.setattr("json.loads", mock.Mock(side_effect=RecursionError))
    with pytest.raises(InputError, match="search.json: damaged"):
        Search(tmp_path / "search.json", DISTRIBUTIONS, seed=0)

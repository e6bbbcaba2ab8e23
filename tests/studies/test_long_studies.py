"""Costs of a study: linear in the number of its jobs. Counted, not timed."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from studies.made_runs import write_run

from digits.cli.hydra_versions import VERSION_BASE
from digits.cli.job import resolve_config
from digits.runs.folder import RunFolder
from digits.studies import report, results, runner
from digits.studies.runner import StudyRunner
from digits.studies.study import Job, Study
from hydra_plugins.digits_sweepers import JobComposer

RATES, SEEDS = 4, 50


def run_study(folder: Path, seeds: int, sequential: bool) -> StudyRunner:
    """A study whose jobs end at once. The error is 1 % at the first rate, 2 % at the second, …, and 0.1 % more for each
    seed."""

    def launch(overrides: Sequence[Sequence[str]], first: int) -> list[object]:
        for words in overrides:
            rate, seed = (int(word.partition("=")[2]) for word in words[:2])
            write_run(folder / f"{rate}-{seed}", " ".join(words[:2]), 10 * rate + seed)
        return []

    jobs = [
        Job(RunFolder(folder / f"{rate}-{seed}"), (f"optimizer.lr={rate}", f"seed={seed}"), {"trainer": {}})
        for rate in range(1, RATES + 1)
        for seed in range(seeds)
    ]
    study = Study("s", folder, {}, ["optimizer.lr", "seed"])
    sweep = StudyRunner(study, launch, sequential, len(jobs))
    with study.acquire():
        sweep.run(jobs)
        sweep.finish()
    return sweep


@pytest.mark.parametrize("sequential", [True, False])
def test_leaderboard_of_200_jobs(tmp_path: Path, sequential: bool) -> None:
    assert len(run_study(tmp_path, SEEDS, sequential).ended) == RATES * SEEDS
    with (tmp_path / "leaderboard.csv").open() as file:
        rows = [(row["optimizer.lr"], float(row["val_error_mean"]), row["done"]) for row in csv.DictReader(file)]
    mean = (SEEDS - 1) / 2 / 1000
    assert rows == [(str(rate), pytest.approx(rate / 100 + mean), str(SEEDS)) for rate in range(1, RATES + 1)]


@pytest.mark.parametrize("sequential", [True, False])
def test_cost_of_a_job_does_not_grow_with_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sequential: bool
) -> None:
    counts: Counter[str] = Counter()

    def count(module: Any, name: str, cost: Callable[..., int]) -> None:
        function = getattr(module, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            counts[name] += cost(*arguments)
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, counted)

    count(runner, "_version", lambda job: 1)
    count(results, "RunResult", lambda folder, metrics: 1)
    count(RunFolder, "metrics", lambda folder: 1)
    count(report, "write_leaderboard", lambda board, *others: len(board.results))
    run_study(tmp_path, SEEDS, sequential)
    jobs = RATES * SEEDS
    assert counts["_version"] <= 5 * jobs
    assert counts["RunResult"] <= 2 * jobs
    assert counts["metrics"] <= 3 * jobs
    assert counts["write_leaderboard"] <= 55 * jobs  # a table after every 2 % more jobs


def test_metrics_of_a_job_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    loads = json.loads
    monkeypatch.setattr("json.loads", lambda text: reads.append(text) or loads(text))
    run_study(tmp_path, SEEDS, sequential=True)
    assert len(reads) == RATES * SEEDS


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    with initialize_config_dir(str(PROJECT / "conf"), **VERSION_BASE):
        yield GlobalHydra.instance().config_loader()


@pytest.mark.parametrize(
    "overrides",
    [
        "",
        "seed=3",
        "optimizer=sgd optimizer.lr=0.1 seed=3",
        "optimizer.lr=0.1 seed=3 optimizer=sgd",
        "experiment=adadelta optimizer=adam trainer.max_epochs=3",
        "experiment=fast model=mlp ~label_smoothing",
        "+trainer.limit_train_batches=3 ++seed=4 ~trainer.callbacks",
        "data.val_size=0 +data={val_size:7} seed=3 optimizer=sgd",
        "data={batch_size:8} data.val_size=0",
        "trainer.callbacks=[{_target_:x.Y}] optimizer.lr=${ema}",
    ],
)
def test_shared_composition_equals_hydras(loader: ConfigLoader, overrides: str) -> None:
    words = ["name=x", "study=x", *overrides.split()]
    sweep = loader.load_configuration("train", [], RunMode.MULTIRUN)
    composed = loader.load_sweep_config(sweep, words)
    hydra = composed.hydra
    del composed.hydra
    compose = JobComposer(loader, sweep)
    for _ in range(2):
        assert compose(words) == resolve_config(composed, hydra)


def test_jobs_with_equal_choices_share_a_composition(loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = loader.load_configuration("train", [], RunMode.MULTIRUN)
    composed: list[Sequence[str]] = []
    load = loader.load_sweep_config
    monkeypatch.setattr(loader, "load_sweep_config", lambda sweep, words: composed.append(words) or load(sweep, words))
    compose = JobComposer(loader, sweep)
    seeds = [compose([f"optimizer={name}", f"seed={seed}"])["seed"] for name in ("adam", "sgd") for seed in range(10)]
    assert seeds == [*range(10), *range(10)]
    assert composed == [["optimizer=adam"], ["optimizer=sgd"]]


def test_added_settings_are_part_of_the_shared_composition(
    loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = loader.load_configuration("train", [], RunMode.MULTIRUN)
    composed: list[Sequence[str]] = []
    load = loader.load_sweep_config
    monkeypatch.setattr(loader, "load_sweep_config", lambda sweep, words: composed.append(words) or load(sweep, words))
    compose = JobComposer(loader, sweep)
    for seed in range(10):
        config = compose(["+trainer.min_epochs=1", "optimizer=sgd", f"seed={seed}"])
        assert (config["seed"], config["trainer"]["min_epochs"]) == (seed, 1)
    assert composed == [["+trainer.min_epochs=1", "optimizer=sgd"]]

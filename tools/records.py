"""Rebuilds the tables of docs/records.md, and evaluates ensembles for them.

    python -m tools.records --page docs/records.md
    python -m tools.records --ensemble "5 × compact" outputs/compact-[0-4] --root data
    python -m tools.records --family compact outputs/folds/compact-* --family flat outputs/folds/flat-*

docs/records/ holds one folder of runs (metrics.json, mistakes.csv) for each recipe, ensembles.json, the results of
others in peers.csv, the trials in trials.csv, their runs in folds/, and diversity.json, the measurements of families.
"""

import argparse
import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import markdown_table, replace_blocks
from digits.data.sources import mnist
from digits.evaluation.mnist_subsets import TITLES, subset_scores
from digits.evaluation.score import Score
from digits.files import write_json
from digits.prediction.classifier import load_classifier
from digits.runs.digit_tables import read_mistakes
from digits.runs.find_checkpoints import find_checkpoints
from digits.studies.configuration import MeanStd
from digits.studies.mcnemar import mcnemar_p_value
from digits.studies.results import RunResult, read_results
from tools.diversity import diversity_table, measure

FOLDER = Path("docs/records")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--folder", type=Path, default=FOLDER, help=f"of the records (default: {FOLDER})")
    add("--page", type=Path, help="rebuild the tables of this page")
    add("--ensemble", nargs="+", metavar=("TITLE", "CHECKPOINT"), help="add an ensemble to ensembles.json")
    add(
        "--family",
        nargs="+",
        action="append",
        metavar=("NAME", "FOLDER"),
        help="measure families of networks on folds: the name, and the folders of its runs; give two or more",
    )
    add("--root", default="data", help="folder of MNIST/raw (default: data)")
    options = parser.parse_args()
    if options.ensemble:
        title, *checkpoints = options.ensemble
        add_ensemble(options.folder / "ensembles.json", title, checkpoints, options.root)
    if options.family:
        folders = {name: [Path(folder) for folder in paths] for name, *paths in options.family}
        write_json(measure(folders), options.folder / "diversity.json")
    if options.page:
        options.page.write_text(update_page(options.page.read_text(), options.folder))


def add_ensemble(path: Path, title: str, checkpoints: Sequence[str], root: str) -> None:
    """Predicts MNIST's test set with the mean probability of the checkpoints, and adds the score to the file."""
    paths = find_checkpoints(checkpoints)
    images, labels = mnist(root, download=False).test or ()
    predicted = torch.from_numpy(load_classifier(paths).predict(images).argmax(1))
    subsets = subset_scores(torch.arange(len(labels)), labels, predicted)
    entry = {
        "title": title,
        "members": [path.parent.parent.name for path in paths],
        "test": Score(int((predicted != labels).sum()), len(labels)).as_dict(),
        "test_subsets": {name: score.as_dict() for name, score in subsets.items()},
    }
    entries = [old for old in read_ensembles(path) if old["members"] != entry["members"]]
    write_json([*entries, entry], path)
    print(f"{title}: {entry['test']['errors']} mistakes")


def read_ensembles(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text()) if path.exists() else []


def update_page(page: str, folder: Path) -> str:
    """Returns the page with each block `<!-- NAME -->` … `<!-- end -->` rebuilt."""
    tables = {"results": results_table, "seeds": seeds_table, "trials": trials_table, "diversity": _diversity_table}
    return replace_blocks(page, lambda name: tables[name](folder))


def results_table(folder: Path) -> list[str]:
    """One row per recipe, per title of ensembles, and per result of others."""
    header = ["", "parameters", "epochs", "n", "test error", *TITLES.values()]
    rows = []
    for name, runs in _recipes(folder):
        metrics = runs[0].metrics
        rows.append(
            [name, f"{metrics.parameters:,}", str(metrics.epochs), *_error_cells([vars(r.metrics) for r in runs])]
        )
    ensembles = read_ensembles(folder / "ensembles.json")
    titles = dict.fromkeys(ensemble["title"] for ensemble in ensembles)
    groups = [(title, [one for one in ensembles if one["title"] == title]) for title in titles]
    rows += [[title, "", "", *_error_cells(group)] for title, group in groups]
    with (folder / "peers.csv").open(newline="") as file:
        rows += [list(peer.values()) for peer in csv.DictReader(file)]
    return markdown_table(header, [row + [""] * (len(header) - len(row)) for row in rows])


def seeds_table(folder: Path) -> list[str]:
    """The mistakes of every run among 10,000 test digits."""
    rows = [
        [name, ", ".join(f"{run.metrics.seed}: {run.metrics.test['errors']}" for run in runs if run.metrics.test)]
        for name, runs in _recipes(folder)
    ]
    return markdown_table(["recipe", "seed: mistakes"], rows)


def trials_table(folder: Path) -> list[str]:
    """One row per trial of trials.csv. McNemar's test compares it with another trial on the folds that both have."""
    header = ["trial", "change", "expected", "against", "digits", "mistakes", "error"]
    header += ["only this one", "only the other", "p"]
    trials = _read_trials(folder / "folds")
    rows = []
    with (folder / "trials.csv").open(newline="") as file:
        for registered in csv.DictReader(file):
            trial = trials.get(registered["trial"])
            if trial is None:
                continue  # registered, not yet run
            digits, mistakes = trial.digits, len(trial.mistakes())
            row = [*registered.values(), f"{digits:,}", str(mistakes), f"{mistakes / digits:.3%}"]
            other = trials.get(registered["against"])
            if other is not None:
                only_this, only_other = trial.discordant(other)
                row += [str(only_this), str(only_other), f"{mcnemar_p_value(only_this, only_other):.2g}"]
            rows.append(row + [""] * (len(header) - len(row)))
    return markdown_table(header, rows)


def _diversity_table(folder: Path) -> list[str]:
    return diversity_table(json.loads((folder / "diversity.json").read_text()))


@dataclass(frozen=True)
class Trial:
    """The runs of one recipe by their fold."""

    runs: dict[int, RunResult]

    @property
    def digits(self) -> int:
        """The number of validation digits."""
        return sum(run.metrics.val["total"] for run in self.runs.values() if run.metrics.val)

    def mistakes(self, folds: Iterable[int] | None = None) -> set[int]:
        """The indices of the misclassified digits, of these folds or of all."""
        indices: set[int] = set()
        for fold in self.runs if folds is None else folds:
            indices.update(read_mistakes(self.runs[fold].files, "val")["index"])
        return indices

    def discordant(self, other: "Trial") -> tuple[int, int]:
        """How many digits only this trial misclassifies, and only the other, on the folds that both have."""
        common = self.runs.keys() & other.runs.keys()
        this_one, other_one = self.mistakes(common), other.mistakes(common)
        return len(this_one - other_one), len(other_one - this_one)


def _read_trials(folder: Path) -> dict[str, Trial]:
    """By name. The folder of a run is NAME-FOLD."""
    trials: dict[str, Trial] = {}
    for run in read_results([folder])[0]:
        name, _, fold = run.folder.name.rpartition("-")
        trials.setdefault(name, Trial({})).runs[int(fold)] = run
    return trials


def _recipes(folder: Path) -> Iterator[tuple[str, list[RunResult]]]:
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "folds"):
        results, unreadable = read_results([path])
        assert not unreadable, unreadable
        yield path.name, sorted(results, key=lambda run: run.metrics.seed or 0)


def _error_cells(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """n, the error on the test set, and on each of its parts."""
    tests = [[result["test"] for result in results]]
    tests += [[result["test_subsets"][name] for result in results] for name in TITLES]
    means = [MeanStd.from_values(tuple(score["error"] for score in scores)) for scores in tests]
    return [str(len(results)), *(_percent(*mean) for mean in means if mean)]


def _percent(mean: float, std: float | None) -> str:
    return f"{100 * mean:.3f}" + (f" ± {100 * std:.3f}" if std is not None else "") + " %"


if __name__ == "__main__":
    main()

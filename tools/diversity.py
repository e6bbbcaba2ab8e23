"""How many mistakes networks have in common, and how many their ensembles make, on folds of the training digits.

A family is a recipe that was trained with several seeds. `python -m tools.records --family NAME FOLDER…` measures
families, and docs/records.md has the tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.report import markdown_table
from digits.errors import InputError
from digits.runs.digit_tables import PROBABILITIES, read_out_of_fold
from digits.studies.results import read_results


@dataclass(frozen=True)
class Family:
    """The networks of one recipe: the probabilities of each, float [N, 10], of the same N digits."""

    name: str
    members: list[np.ndarray]


Composition = list[tuple[Family, int]]
"""How many members of each family an ensemble has."""


def measure(folders: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """The mistakes of each family, the share of common mistakes of a pair of networks, and the mistakes of ensembles.
    `folders` are the runs of each family by its name.

    Raises InputError if a run has no out-of-fold probabilities, or two runs with one seed have the same fold."""
    families, labels = read_families(folders)
    mistakes, common, ensembles = [], [], []
    for family in families:
        counts = [len(found) for found in all_mistakes(family, labels)]
        mistakes.append({"name": family.name, "mistakes": counts})
    for one, other in _pairs(families):
        share = mean_common_share(one, other, labels)
        common.append({"families": [one.name, other.name], "share": share})
    for composition in _compositions(families):
        sizes = {family.name: count for family, count in composition}
        ensembles.append({"counts": sizes, "mistakes": mean_ensemble_mistakes(composition, labels)})
    return {"digits": len(labels), "families": mistakes, "common": common, "ensembles": ensembles}


def _pairs(families: Sequence[Family]) -> Iterator[tuple[Family, Family]]:
    """Each family with itself, if it has two networks, and each two families."""
    for family in families:
        if len(family.members) > 1:
            yield family, family
    yield from combinations(families, 2)


def read_families(folders: Mapping[str, Sequence[Path]]) -> tuple[list[Family], np.ndarray]:
    """The families, and the labels int [N] of the digits that all of their members predicted."""
    tables = {name: _read_members(paths) for name, paths in folders.items()}
    labels = pd.concat([table["label"] for members in tables.values() for table in members], axis=1, join="inner")
    families = []
    for name, members in tables.items():
        probabilities = [member.loc[labels.index, PROBABILITIES].to_numpy() for member in members]
        families.append(Family(name, probabilities))
    return families, labels.iloc[:, 0].to_numpy()


def _read_members(paths: Sequence[Path]) -> list[pd.DataFrame]:
    """The out-of-fold digits of each seed, from all folds of this seed, by their index."""
    runs, unreadable = read_results(paths)
    if unreadable:
        raise InputError(unreadable[0])
    if not runs:
        raise InputError(f"{paths[0]}: no runs")
    folds: dict[int, list[pd.DataFrame]] = {}
    for run in runs:
        if run.metrics.seed is None:
            raise InputError(f"{run.folder}: a run without a seed")
        folds.setdefault(run.metrics.seed, []).append(read_out_of_fold(run.files))
    members = []
    for seed in sorted(folds):
        member = pd.concat(folds[seed]).set_index("index")
        if not member.index.is_unique:
            raise InputError(f"{paths[0]}: two runs with seed {seed} predicted the same digits; a family is one recipe")
        members.append(member)
    return members


def all_mistakes(family: Family, labels: np.ndarray) -> list[set[int]]:
    """The mistakes of each member."""
    return [find_mistakes(member, labels) for member in family.members]


def find_mistakes(probabilities: np.ndarray, labels: np.ndarray) -> set[int]:
    """The positions of the digits whose most probable class is not their label."""
    return set(np.flatnonzero(probabilities.argmax(1) != labels).tolist())


def common_share(one: set[int], other: set[int]) -> float:
    """The share of common mistakes of two networks: 2 |A ∩ B| / (|A| + |B|), 0 without any mistake."""
    mistakes = len(one) + len(other)
    return 2 * len(one & other) / mistakes if mistakes else 0.0


def mean_common_share(one: Family, other: Family, labels: np.ndarray) -> float:
    """The mean over all pairs with a network of each family; if they are the same family, of two of its networks."""
    mistakes = all_mistakes(one, labels)
    pairs = combinations(mistakes, 2) if one is other else product(mistakes, all_mistakes(other, labels))
    return mean(common_share(*pair) for pair in pairs)


def _compositions(families: Sequence[Family]) -> Iterator[Composition]:
    """Two to all members of each family, and equal numbers of members of each two families, or one more of one."""
    for family in families:
        for count in range(2, len(family.members) + 1):
            yield [(family, count)]
    for one, other in combinations(families, 2):
        for count, other_count in product(range(1, len(one.members) + 1), range(1, len(other.members) + 1)):
            if abs(count - other_count) <= 1:
                yield [(one, count), (other, other_count)]


def mean_ensemble_mistakes(counts: Composition, labels: np.ndarray) -> float:
    """The mean number of mistakes over all ensembles of this composition. An ensemble predicts the class with the
    largest mean probability."""
    choices = [combinations(family.members, count) for family, count in counts]
    mistakes = []
    for chosen in product(*choices):
        members = [member for of_family in chosen for member in of_family]
        mistakes.append(len(find_mistakes(np.mean(members, axis=0), labels)))
    return mean(mistakes)


def diversity_table(measured: Mapping[str, Any]) -> list[str]:
    """A row for each family and each pair: single networks, common mistakes of two, and ensembles by their size."""
    members = {}
    for family in measured["families"]:
        members[family["name"]] = family["mistakes"]
    sizes = sorted({sum(ensemble["counts"].values()) for ensemble in measured["ensembles"]})
    rows = []
    for pair in measured["common"]:
        names = list(dict.fromkeys(pair["families"]))
        single = []
        for name in names:
            single += members[name]
        row = [" and ".join(names), str(len(single)), f"{mean(single):.1f}", f"{pair['share']:.0%}"]
        row += [_ensemble_cell(measured["ensembles"], names, size) for size in sizes]
        rows.append(row)
    header = ["family", "networks", "mistakes of one", "common to two", *(f"ensembles of {size}" for size in sizes)]
    return markdown_table(header, rows)


def _ensemble_cell(ensembles: Sequence[Mapping[str, Any]], names: Sequence[str], size: int) -> str:
    """The mean over the compositions of this size, such as 2 + 1 and 1 + 2 networks."""
    found = []
    for ensemble in ensembles:
        counts = ensemble["counts"]
        if list(counts) == list(names) and sum(counts.values()) == size:
            found.append(ensemble["mistakes"])
    return f"{mean(found):.1f}" if found else ""

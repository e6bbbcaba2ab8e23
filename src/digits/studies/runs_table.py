"""A table with one row per run, the settings that vary between runs, and runs that are there twice."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from digits.runs.fingerprint import BOOKKEEPING_KEYS
from digits.studies.results import RunResult
from digits.studies.study import REPLICATE_KEYS

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ["configuration", "replicate"]
FACTS = ["device", "precision", "val_digits", "test_digits"]
RUN_COLUMNS = ["run", "status", *IDENTITY, *FACTS, "code"]
"""The columns of `runs_table`: the `RunResult`, its status, the values of the settings that vary, the values of
`REPLICATE_KEYS`, and for a completed run the texts of facts that the table names if all runs share them."""


def runs_table(results: Sequence[RunResult], keys: Sequence[str]) -> "pd.DataFrame":
    """One row per run, see `RUN_COLUMNS`. `keys` are the settings that vary."""
    import pandas as pd  # imported late: takes half a second

    rows = []
    for run in results:
        identity = {"configuration": run.values(keys), "replicate": run.values(REPLICATE_KEYS)}
        rows.append({"run": run, "status": run.metrics.status, **identity, **_facts(run)})
    return pd.DataFrame(rows, columns=RUN_COLUMNS, dtype=object)


def varying_settings(results: Sequence[RunResult]) -> tuple[str, ...]:
    """Overridden settings with several values, then settings that differ between runs with equal values of those."""
    overridden = dict.fromkeys(key for run in results for key in run.overrides)
    keys = [key for key in overridden if _varies(key, results)]
    for _, runs in runs_table(results, keys).groupby("configuration", sort=False)["run"]:
        for key in _differing_settings(runs.tolist()):
            if key not in keys:
                keys.append(key)
    return tuple(keys)


def describe_duplicates(runs: "pd.DataFrame") -> list[str]:
    """One line for each run that has the settings and the seed of an earlier one."""
    lines = []
    repeated = runs[runs.duplicated(IDENTITY, keep=False)]
    for _, same in repeated.groupby(IDENTITY, sort=False)["run"]:
        first, *others = same
        lines += [f"{other.folder} has the settings and the seed of {first.folder}" for other in others]
    return lines


def _facts(run: RunResult) -> dict[str, str]:
    """What a completed run has computed with, as text."""
    metrics = run.metrics
    if not metrics.completed:
        return {}
    facts = {"device": str(metrics.device), "precision": str(metrics.precision)}
    if metrics.fingerprint:
        facts["code"] = str(metrics.fingerprint.get("code"))
    if "val_total" in run.numbers:
        facts["val_digits"] = f"{run.numbers['val_total']:,} validation digits"
    if "test_total" in run.numbers:
        facts["test_digits"] = f"{run.numbers['test_total']:,} test digits"
    return facts


def _varies(key: str, results: Sequence[RunResult]) -> bool:
    """Whether an overridden setting has several values and is part of the experiment."""
    if key in REPLICATE_KEYS or key in BOOKKEEPING_KEYS:
        return False
    values = {run.setting(key) for run in results}
    if "." in key:
        values.discard("")  # a setting that some runs do not have, as data.train_csv with data=mnist
    return len(values) > 1


def _differing_settings(runs: Sequence[RunResult]) -> list[str]:
    """The settings that have several values. Runs without a known configuration are left out."""
    configs = [run.config for run in runs if run.config]
    if all(config == configs[0] for config in configs):
        return []
    differing = []
    for key in dict.fromkeys(key for config in configs for key in config):
        values = {config.get(key, "null") for config in configs}
        if len(values) > 1:
            differing.append(key)
    return differing

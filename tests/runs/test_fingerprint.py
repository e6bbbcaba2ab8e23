"""A fingerprint changes with the settings and the code that decide a result, and with nothing else."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT, config, read_metrics_json

from digits.compat import ADDED_SETTINGS
from digits.runs.fingerprint import all_settings, fingerprint, relevant_settings, source_hash

CONFIG: dict[str, Any] = {"seed": 0, "name": "x", "data": {"root": "here", "batch_size": 8}, "optimizer": {"lr": 0.1}}


def test_bookkeeping_does_not_count() -> None:
    other = {**CONFIG, "name": "y", "data": {"root": "there", "batch_size": 8}, "trainer": {"accelerator": "gpu"}}
    assert fingerprint(other, "32-true") == fingerprint(CONFIG, "32-true")


@pytest.mark.parametrize("change", [{"seed": 1}, {"optimizer": {"lr": 0.2}}, {"data": {"root": "here"}}], ids=str)
def test_settings_count(change: dict[str, Any]) -> None:
    assert fingerprint({**CONFIG, **change}, "32-true")["settings"] != fingerprint(CONFIG, "32-true")["settings"]


def test_resolved_precision_counts() -> None:
    auto, explicit = {"trainer": {"precision": "auto"}}, {"trainer": {"precision": "32-true"}}
    assert fingerprint(auto, "32-true") == fingerprint(explicit, "32-true")
    assert fingerprint(auto, "32-true") != fingerprint(auto, "bf16-mixed")


@pytest.mark.parametrize("name", ["data/sampler.py", "models/networks.py", "training/new_file.py", "seeding.py"])
def test_code_counts(tmp_path: Path, name: str) -> None:
    shutil.copytree(PROJECT / "src" / "digits", tmp_path, dirs_exist_ok=True)
    assert source_hash(tmp_path) == source_hash()
    source_hash.cache_clear()
    (tmp_path / name).write_text("changed")
    assert source_hash(tmp_path) != source_hash()


def test_settings_of_an_older_run_are_equal_to_todays() -> None:
    """The committed run has the module names of its time."""
    stored = relevant_settings(read_metrics_json(PROJECT / "docs/results/originals/adadelta_seed-0")["config"])
    today = relevant_settings(config("experiment=adadelta", "seed=0"))
    assert [key for key in stored | today if stored.get(key) != today.get(key)] == []


def test_everyday_questions_are_no_part_of_an_experiment() -> None:
    assert not {"debug", "find", "explain"} & relevant_settings(config()).keys()


def test_run_without_the_settings_of_later_versions_is_equal_to_todays() -> None:
    today = config("augment=affine")
    older = {key: value for key, value in today.items() if key not in ADDED_SETTINGS}
    older["augment"] = {key: today["augment"][key] for key in ("_target_", "degrees", "translate", "scale", "shear")}
    assert all_settings(older) == all_settings(today)

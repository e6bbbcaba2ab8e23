"""Names, locks and fingerprints of a study's jobs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT
from hydra.core.override_parser.overrides_parser import OverridesParser

from digits.errors import InputError
from digits.fingerprint import CODE, code_hash, fingerprint
from digits.study import half_done, job_name, locked
from digits.sweep import quoted

SETTINGS: dict[str, Any] = {"seed": 0, "name": "x", "data": {"root": "here", "batch_size": 8}, "optimizer": {"lr": 0.1}}
FINISHED = {"status": "completed", "device": "abacus", "precision": "exact", "seconds": {"fit": 1.0}}


@pytest.mark.parametrize(
    ("varied", "name"),
    [
        ({"optimizer": "adam", "trainer.max_epochs": "5"}, "optimizer-adam_max_epochs-5_seed-0"),
        ({}, "seed-0"),
        ({"augment.degrees": "1", "other.degrees": "2"}, "augment.degrees-1_other.degrees-2_seed-0"),
    ],
)
def test_job_is_named_after_what_varies(varied: dict[str, str], name: str) -> None:
    assert job_name(varied, 0) == name


@pytest.mark.parametrize("value", ["[a,b]", "'it is'", "a/b", "../..", "x" * 300, "ü=1", "${name}", "$HOME;rm"])
def test_name_of_a_job_needs_no_quotes(value: str) -> None:
    name = job_name({"setting": value}, 0)
    assert re.fullmatch(r"[\w.+-]+", name)
    assert len(name) <= 160
    assert name != job_name({"setting": value + "'"}, 0)
    assert (
        OverridesParser.create().parse_override(f"checkpoint=outputs/first/{name}").value() == f"outputs/first/{name}"
    )


@pytest.mark.parametrize("text", ["a b", "it's", "a\\b", "a\\'b", "x=1,2", "${x}", "[a", "é"])
def test_any_text_can_be_quoted(text: str) -> None:
    assert str(OverridesParser.create().parse_override(f"name={quoted(text)}").value()) == text


def test_lock_is_held_by_one_process_and_ends_with_it(tmp_path: Path) -> None:
    program = f"from digits.study import locked\nwith locked(__import__('pathlib').Path({str(tmp_path)!r}), 'taken'): "
    with locked(tmp_path, ""):
        other = subprocess.run([sys.executable, "-c", program + "pass"], capture_output=True, text=True, cwd=PROJECT)
        assert "InputError: taken" in other.stderr
    killed = subprocess.run([sys.executable, "-c", program + "__import__('os').kill(__import__('os').getpid(), 9)"])
    assert killed.returncode == -9
    with locked(tmp_path, "still taken"):
        pass


def test_fingerprint_changes_with_what_decides_alone(tmp_path: Path) -> None:
    mark = fingerprint(SETTINGS)
    assert fingerprint({**SETTINGS, "name": "y", "data": {"root": "there", "batch_size": 8}}) == mark
    assert fingerprint({**SETTINGS, "optimizer": {"lr": 0.2}})["settings"] != mark["settings"]
    assert fingerprint({**SETTINGS, "seed": 1})["settings"] != mark["settings"]
    assert fingerprint({**SETTINGS, "data": {"train_csv": "a"}}) != fingerprint(
        {**SETTINGS, "data": {"train_csv": "b"}}
    )
    for name in CODE:
        (tmp_path / f"{name}.py").write_bytes((PROJECT / "src" / "digits" / f"{name}.py").read_bytes())
    assert code_hash(tmp_path) == mark["code"]
    (tmp_path / "networks.py").write_text("changed")
    code_hash.cache_clear()
    assert code_hash(tmp_path) != mark["code"]


@pytest.mark.parametrize(
    ("metrics", "resumes"),
    [
        ({"status": "running", "fingerprint": fingerprint(SETTINGS)}, True),
        ({"status": "failed", "fingerprint": fingerprint(SETTINGS)}, True),
        ({"status": "running", "fingerprint": fingerprint({**SETTINGS, "seed": 1})}, False),
        ({"status": "running"}, False),
        ({**FINISHED, "fingerprint": fingerprint(SETTINGS)}, False),
    ],
    ids=str,
)
def test_run_goes_on_only_as_it_began(tmp_path: Path, metrics: dict[str, Any], resumes: bool) -> None:
    assert half_done(tmp_path, SETTINGS) is None
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert half_done(tmp_path, SETTINGS) == (last if resumes else None)


def test_lock_that_cannot_be_taken_says_so(tmp_path: Path) -> None:
    with locked(tmp_path, ""), pytest.raises(InputError, match="busy"), locked(tmp_path, "busy"):
        pass

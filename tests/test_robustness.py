"""tools.robustness: the measurement and its page."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import PROJECT

from digits.data.datamodule import DigitsDataModule
from digits.data.sources import Digits, sample
from digits.errors import InputError
from digits.prediction.classifier import load_classifier
from digits.runs.checkpoint import read_checkpoint
from digits.runs.find_checkpoints import find_checkpoints
from tools.file_corruptions import FILE_CORRUPTIONS, apply_corruption
from tools.mnist_c import MNIST_C
from tools.robustness import (
    PARTS,
    choose_digits,
    main,
    measure,
    predict_pictures,
    read_held_out_digits,
    update_page,
)

PAGE = PROJECT / "docs" / "robustness.md"


def made_results(**changed: Any) -> dict[str, Any]:
    """Results of 200 digits, one of which is misread after each corruption."""
    parts = {
        part: {"errors": dict.fromkeys(corruptions, 1), "calibration_error": 0.015}
        for part, corruptions in (("files", FILE_CORRUPTIONS), ("mnist_c", MNIST_C))
    }
    failures = {"refused": 3, "wrong": 1}
    pictures = {"count": 200, "white on black": failures, "black on white": failures}
    return {"digits": "test", "network": "made", "count": 200, "unchanged": 0, **parts, "pictures": pictures, **changed}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["robustness", *arguments])
    main()


def test_errors_are_those_of_the_corrupted_digits(trained: Path) -> None:
    digits = choose_digits(sample().test, 50)
    results = measure(str(trained), digits, 50, ["files"])
    assert results.keys() == {"network", "count", "unchanged", "files"}
    assert list(results["files"]["errors"]) == list(FILE_CORRUPTIONS)
    name = "noise 40"
    images = apply_corruption(FILE_CORRUPTIONS[name], name, digits.images.numpy())
    labels = load_classifier(trained).predict(images).argmax(1)
    assert results["files"]["errors"][name] == int((labels != digits.labels.numpy()).sum())
    assert 0 < results["files"]["calibration_error"] < 1


def test_pictures_are_wrong_or_refused_or_right(trained: Path) -> None:
    digits = choose_digits(sample().test, 3)
    images = np.concatenate([digits.images.numpy(), np.zeros((1, 28, 28), np.uint8)])
    labels = load_classifier(trained).predict(images[:3]).argmax(1)
    labels = torch.from_numpy(np.append((labels + 1) % 10, 0))
    results = predict_pictures(str(trained), images, labels)
    assert results["refused"] >= 1  # at least the blank one
    assert results["wrong"] <= 3
    assert sum(results.values()) <= 4


def test_chosen_digits_are_the_same_each_time() -> None:
    digits = Digits(torch.zeros(100, 28, 28, dtype=torch.uint8), torch.arange(100))
    chosen = choose_digits(digits, 20).labels
    assert len(chosen.unique()) == 20
    assert chosen.max() > 50
    assert torch.equal(chosen, choose_digits(digits, 20).labels)
    assert choose_digits(digits, 10_000).labels.tolist() == list(range(100))
    with pytest.raises(InputError, match="at least 1"):
        choose_digits(digits, 0)


def test_chosen_digits_have_all_classes_though_the_classes_alternate() -> None:
    digits = Digits(torch.zeros(1000, 28, 28, dtype=torch.uint8), torch.arange(1000) % 10)
    assert choose_digits(digits, 100).labels.bincount(minlength=10).min() >= 3


def test_validation_digits_are_those_that_the_run_held_out(trained: Path) -> None:
    [path] = find_checkpoints(trained)
    data = read_checkpoint(path)["digits"]["config"]["data"]
    module = DigitsDataModule(sample, batch_size=16, val_size=data["val_size"], split_seed=data["split_seed"])
    module.setup("fit")
    held_out = read_held_out_digits(str(trained), root="no such folder")
    assert torch.equal(held_out.images, module.splits["val"].images)
    assert torch.equal(held_out.labels, module.splits["val"].labels)


def test_validation_digits_need_a_run_on_mnist(small_run: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="other data than MNIST"):
        read_held_out_digits(str(small_run()), root="data")


def test_several_checkpoints_have_no_validation_digits(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.ckpt").touch()
    with pytest.raises(InputError, match=r"one checkpoint of training \(\.ckpt\)"):
        read_held_out_digits(str(tmp_path / "*.ckpt"), root="data")


def test_a_run_without_validation_has_no_validation_digits(trained: Path, tmp_path: Path) -> None:
    [path] = find_checkpoints(trained)
    checkpoint = read_checkpoint(path)
    checkpoint["digits"]["config"]["data"]["val_size"] = 0
    torch.save(checkpoint, tmp_path / "without.ckpt")
    with pytest.raises(InputError, match="held no digits out"):
        read_held_out_digits(str(tmp_path / "without.ckpt"), root="data")


def test_command_saves_the_results(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    arguments = ("--digits", "validation", "--count", "10", "--parts", "mnist_c", "--results", str(path))
    run(monkeypatch, str(trained), *arguments)
    results = json.loads(path.read_text())
    assert results["digits"] == "validation"
    assert results["count"] == 10
    assert list(results["mnist_c"]["errors"]) == list(MNIST_C)
    assert "canny edges" in capsys.readouterr().out


def test_results_that_cannot_be_written_are_one_line_before_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.robustness.measure", lambda *_: pytest.fail("measured"))
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "--digits", "validation", "--results", str(tmp_path / "missing" / "results.json"))
    assert stopped.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "there is no folder" in line


def test_table_has_a_column_for_each_measured_network(tmp_path: Path) -> None:
    for network in ("small_cnn", "bundled"):
        (tmp_path / f"{network}.json").write_text(json.dumps(made_results()))
    lines = update_page(PAGE.read_text(), tmp_path).splitlines()
    header = next(line for line in lines if line.startswith("| errors"))
    assert [cell.strip() for cell in header.split("|")[2:-1]] == ["bundled", "small_cnn"]
    rows = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in lines if line.startswith("| ")}
    assert rows["digits"] == "200"
    assert rows["skeleton"] == rows["zigzag"] == "0.50%"
    assert rows["**MNIST-C, mean**"] == "**0.50%**"
    assert rows["files, calibration error"] == "1.50%"
    assert rows["two-tone PNG, white on black, wrong or refused"] == "4 of 200"


@pytest.mark.parametrize("part", PARTS)
def test_table_refuses_incomplete_results(part: str, tmp_path: Path) -> None:
    results = made_results()
    del results[part]
    (tmp_path / "bundled.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=r"bundled\.json: not the results of all parts"):
        update_page(PAGE.read_text(), tmp_path)


def test_table_refuses_results_of_validation_digits(tmp_path: Path) -> None:
    (tmp_path / "bundled.json").write_text(json.dumps(made_results(digits="validation")))
    with pytest.raises(InputError, match="on the test digits"):
        update_page(PAGE.read_text(), tmp_path)


def test_table_of_the_page_is_rebuilt_from_its_results() -> None:
    page = PAGE.read_text()
    assert update_page(page, PAGE.with_suffix("")) == page

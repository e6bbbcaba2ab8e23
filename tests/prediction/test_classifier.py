"""A checkpoint is enough to predict, and several make an ensemble."""

import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import PROJECT, SMALL, config, made_digits

import digits
from digits.errors import InputError
from digits.prediction.checkpoint_member import CheckpointMember
from digits.prediction.classifier import load_classifier
from digits.prediction.tta import apply_view
from digits.runs.checkpoint import read_checkpoint
from digits.runs.find_checkpoints import find_checkpoints
from digits.runs.job import TrainingJob
from digits.training.train import train

IMAGES = made_digits(50)[0].numpy()


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, made_csv: Path) -> Path:
    """The folder of a run with another network, and without validation digits."""
    folder = tmp_path_factory.mktemp("other")
    data = ["data=csv", f"data.train_csv={made_csv}", "data.val_size=0"]
    train(TrainingJob(config(*SMALL, *data, "model=larger_cnn"), folder))
    return folder


def test_predicts_arrays_and_tensors_of_any_number(trained: Path) -> None:
    classifier = digits.load_classifier(trained)
    probabilities = classifier.predict(IMAGES)
    assert (probabilities.shape, probabilities.dtype) == ((50, 10), np.float32)
    assert np.allclose(probabilities.sum(1), 1)
    assert np.array_equal(classifier.predict(torch.from_numpy(IMAGES)), probabilities)
    assert classifier.predict(IMAGES[:0]).shape == (0, 10)


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def mapped(array: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "images.npy", array)
    return np.load(folder / "images.npy", mmap_mode="r")  # type: ignore[no-any-return]


@pytest.mark.parametrize("make", [
    lambda array, _: read_only(array),
    mapped,
    lambda array, _: np.frombuffer(array.tobytes(), np.uint8).reshape(array.shape),
    lambda array, _: pd.DataFrame(array.reshape(-1, 784)).to_numpy().reshape(-1, 28, 28),
    lambda array, _: array[::-1].copy()[::-1],  # a negative stride
    lambda array, _: np.asfortranarray(array),
], ids=["read-only", "memory map", "bytes", "pandas", "reversed", "Fortran order"])  # fmt: skip
def test_array_of_any_memory_is_predicted_without_a_warning(
    trained: Path, tmp_path: Path, make: Callable[[np.ndarray, Path], np.ndarray]
) -> None:
    classifier = load_classifier(trained)
    images = make(IMAGES.copy(), tmp_path)
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # PyTorch would warn once in the process
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            probabilities = classifier.predict(images)
    finally:
        torch.set_warn_always(before)
    assert np.array_equal(probabilities, classifier.predict(IMAGES))


@pytest.mark.parametrize(
    "images",
    [torch.from_numpy(IMAGES).float(), IMAGES[0], IMAGES[:, :20], IMAGES.astype(">u2"), IMAGES.astype(str), [[0]]],
)
def test_other_images_are_refused(trained: Path, images: Any) -> None:
    with pytest.raises(InputError, match=r"images must be uint8 \[N, 28, 28\]"):
        load_classifier(trained).predict(images)


def test_ensemble_is_the_mean_of_its_members(trained: Path, other: Path) -> None:
    single = [load_classifier(path).predict(IMAGES) for path in (trained, other)]
    ensemble = load_classifier([trained, other])
    predictions = ensemble.predict_with_agreement(IMAGES)
    assert np.allclose(predictions.probabilities, (single[0] + single[1]) / 2, atol=1e-6)
    assert np.array_equal(predictions.members_disagree, single[0].argmax(1) != single[1].argmax(1))
    assert not predictions.views_disagree.any()
    assert ensemble.name == "fast_cnn + larger_cnn"


def test_probabilities_are_averaged_over_views(trained: Path) -> None:
    classifier = load_classifier(trained, tta=5, seed=3, precision="32-true")
    [member] = classifier.members
    assert len(classifier.views) == 4  # beside the image itself
    per_view = np.stack(
        [member.predict(view) for view in (IMAGES, *(apply_view(one, IMAGES) for one in classifier.views))]
    )
    assert (per_view[1:] != per_view[0]).any(2).any(1).all()
    predictions = classifier.predict_with_agreement(IMAGES)
    assert np.allclose(predictions.probabilities, per_view.mean(0), atol=1e-6)
    labels = per_view.argmax(-1)
    assert np.array_equal(predictions.views_disagree, (labels != labels[0]).any(0))
    assert predictions.views_disagree.any()
    assert not predictions.members_disagree.any()


def test_prediction_depends_on_the_seed_and_not_on_the_batch(trained: Path) -> None:
    one, same, other_views = (load_classifier(trained, tta=4, seed=seed, precision="32-true") for seed in (3, 3, 4))
    probabilities = one.predict(IMAGES)
    assert np.allclose(probabilities, same.predict(IMAGES[::-1], batch_size=7)[::-1], atol=1e-6)
    assert not np.allclose(probabilities, other_views.predict(IMAGES), atol=1e-3)


def test_checkpoints_are_found_by_path_folder_and_glob(tmp_path: Path) -> None:
    both = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("run-0", "run-1")]
    for path in both:
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "run-2").mkdir()  # a failed run of a sweep, without a checkpoint
    assert find_checkpoints(both[0]) == find_checkpoints(tmp_path / "run-0") == both[:1]
    for names in (f"{tmp_path}/run-*", f"{tmp_path}/run-*/checkpoints/*.ckpt", both):
        assert find_checkpoints(names) == both
    for name in ("run-2", "nowhere-*"):
        with pytest.raises(InputError, match=re.escape(name)):
            find_checkpoints(tmp_path / name)


@pytest.mark.parametrize("name", [300 * "a", "a\0b", 300 * "a" + ".onnx", 300 * "a" + "*"])
def test_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        load_classifier(name)


def test_members_are_calibrated_by_the_temperature_of_their_checkpoint(trained: Path, other: Path) -> None:
    temperature = read_checkpoint(trained / "checkpoints" / "last.ckpt")["digits"]["temperature"]
    members = load_classifier([trained, other]).members
    assert [member.calibrated for member in members] == [True, False]
    assert isinstance(members[0], CheckpointMember)
    assert members[0].module.temperature == temperature


@pytest.mark.slow
def test_imports_only_what_it_needs(trained: Path, tmp_path: Path) -> None:
    """A checkpoint predicts without Lightning, from Python and by the program."""
    (tmp_path / "test.csv").write_text(f"{','.join(f'pixel{k}' for k in range(784))}\n{'0,' * 783}0\n")
    program = f"""
import numpy, runpy, sys
import digits
assert "torch" not in sys.modules
digits.load_classifier({str(trained)!r}).predict(numpy.zeros((2, 28, 28), numpy.uint8))
sys.argv = ["predict.py", "checkpoint={trained}", "input=test.csv", "output=out.csv"]
runpy.run_path({str(PROJECT / "predict.py")!r}, run_name="__main__")
assert not {{"lightning", "matplotlib", "onnx", "scipy.stats"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)

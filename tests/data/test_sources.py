"""The bundled sample, and labeled files of any format."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import frame, made_digits
from PIL import Image

from digits.data import sources
from digits.data.sources import csv, sample
from digits.errors import InputError
from digits.runs.onnx_model import predict_with_bundled


def test_sample_is_balanced_and_does_not_depend_on_the_global_seed() -> None:
    train, test, _ = sample()
    assert (train.images.shape, train.images.dtype) == ((4500, 28, 28), torch.uint8)
    assert train.labels.bincount().tolist() == [450] * 10
    assert test.labels.bincount().tolist() == [50] * 10
    assert not set(map(bytes, test.images.numpy())) & set(map(bytes, train.images.numpy()))
    torch.manual_seed(1)
    assert torch.equal(sample().train.images, train.images)


def test_csv_needs_labels(tmp_path: Path) -> None:
    frame(made_digits(3)[0], None).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(InputError, match="test.csv: no labels; .*'label'"):
        csv(str(tmp_path / "test.csv"))


@pytest.fixture
def keras_file(tmp_path: Path) -> Path:
    """Keras's mnist.npz with few digits."""
    images, labels = made_digits(60)
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=images[:40], y_train=labels[:40], x_test=images[40:], y_test=labels[40:])
    return path


def test_file_with_both_parts_is_trained_and_tested(keras_file: Path) -> None:
    images, labels = made_digits(60)
    source = sources.file(str(keras_file))
    assert source.test is not None
    assert source.train.images.equal(images[:40])
    assert source.train.labels.equal(labels[:40])
    assert source.test.images.equal(images[40:])
    assert not source.is_mnist


def test_files_of_both_parts_may_differ_in_format(tmp_path: Path, keras_file: Path) -> None:
    images, labels = made_digits(30)
    frame(images, labels).to_csv(tmp_path / "test.csv", index=False)
    source = sources.file(str(keras_file), str(tmp_path / "test.csv"))
    assert source.test is not None
    assert source.test.images.equal(images)


def test_pipe_is_read_once(tmp_path: Path) -> None:
    images, labels = made_digits(30)
    os.mkfifo(tmp_path / "pipe")
    content = frame(images, labels).to_csv(index=False)
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=[content])
    writer.start()
    source = sources.file(str(tmp_path / "pipe"))
    writer.join()
    assert source.train.images.equal(images)
    assert source.test is None


def test_file_without_labels_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", made_digits(30)[0].numpy())
    with pytest.raises(InputError, match=r"a\.npy: no labels; training and testing need"):
        sources.file(str(tmp_path / "a.npy"))


def test_transform_is_applied_to_training_and_test(keras_file: Path) -> None:
    images, _ = made_digits(60)
    source = sources.file(str(keras_file), transform="invert")
    assert source.test is not None
    assert source.train.images.equal(255 - images[:40])
    assert source.test.images.equal(255 - images[40:])


@pytest.mark.parametrize(("transform", "is_applied"), [(None, False), ("auto", True)])
def test_inverted_digits_are_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, transform: str | None, is_applied: bool
) -> None:
    digits = sources.sample().train
    np.savez(tmp_path / "a.npz", X=255 - digits.images[:100], y=digits.labels[:100])
    caplog.set_level("INFO")
    source = sources.file(str(tmp_path / "a.npz"), transform=transform, judge=predict_with_bundled)
    assert source.train.images.equal(digits.images[:100]) == is_applied
    assert ("transform   invert: " in caplog.text) == is_applied
    assert ("is invert needed?" in caplog.text) != is_applied


@pytest.mark.parametrize(("transform", "is_changed"), [("auto", False), ("invert", True), (None, False)])
def test_each_file_is_judged_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, transform: str | None, is_changed: bool
) -> None:
    """Inverted training digits, and test digits that follow MNIST's convention already."""
    train, test, _ = sources.sample()
    np.savez(tmp_path / "train.npz", X=255 - train.images[:100], y=train.labels[:100])
    np.savez(tmp_path / "test.npz", X=test.images[:100], y=test.labels[:100])
    paths = str(tmp_path / "train.npz"), str(tmp_path / "test.npz")
    source = sources.file(*paths, transform=transform, judge=predict_with_bundled)
    assert source.test is not None
    assert source.train.images.equal(train.images[:100]) == (transform is not None)
    assert source.test.images.equal(255 - test.images[:100]) == is_changed
    assert caplog.text.count("is invert needed?") == (transform is None)


@pytest.mark.parametrize(("shift", "is_noticed"), [(0, False), (1, True)])
def test_labels_of_other_images_are_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shift: int, is_noticed: bool
) -> None:
    digits = sources.sample().train
    np.savez(tmp_path / "a.npz", X=digits.images[:100], y=digits.labels[:100].roll(shift))
    sources.file(str(tmp_path / "a.npz"), judge=predict_with_bundled)
    assert ("do they belong to these images?" in caplog.text) == is_noticed


def save_tree(folder: Path, images: torch.Tensor, labels: torch.Tensor) -> None:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / str(int(label))).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.numpy()).save(folder / str(int(label)) / f"{index:03}.png")


@pytest.mark.parametrize("as_is", [True, False])
def test_tree_of_pictures_is_labeled_by_its_folders(tmp_path: Path, as_is: bool) -> None:
    """MNIST's digits in MNIST's format are the same with and without the search for the digit."""
    digits = sources.sample().train
    order = digits.labels[:50].argsort(stable=True)
    save_tree(tmp_path / "digits", digits.images[:50], digits.labels[:50])
    source = sources.file(str(tmp_path / "digits"), as_is=as_is, judge=predict_with_bundled)
    assert source.train.images.equal(digits.images[:50][order])
    assert source.train.labels.equal(digits.labels[:50][order])


def test_tree_may_have_one_digit_only_and_empty_folders(tmp_path: Path) -> None:
    digits = sources.sample().train
    save_tree(tmp_path, digits.images[:3], torch.full((3,), 7))
    for label in range(7):
        (tmp_path / str(label)).mkdir()
    assert sources.file(str(tmp_path), as_is=True).train.labels.tolist() == [7, 7, 7]


def test_tree_of_empty_folders_is_refused(tmp_path: Path) -> None:
    for label in range(10):
        (tmp_path / str(label)).mkdir()
    with pytest.raises(InputError, match=r": a folder without pictures \(png, jpg"):
        sources.file(str(tmp_path), as_is=True)


@pytest.mark.parametrize("name", ["a.png", "11/a.png", "x/a.png"])
def test_pictures_in_no_folder_of_a_digit_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    Image.new("L", (28, 28)).save(tmp_path / name)
    with pytest.raises(InputError, match=": (pictures without labels|a folder without pictures)"):
        sources.file(str(tmp_path), as_is=True)


def test_pictures_that_cannot_be_read_are_named_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    digits = sources.sample().train
    save_tree(tmp_path / "digits", digits.images[:20], digits.labels[:20])
    (tmp_path / "digits" / "3" / "broken.png").write_bytes(b"\x89PNG")
    Image.new("L", (40, 40)).save(tmp_path / "digits" / "3" / "large.png")
    source = sources.file(str(tmp_path / "digits"), as_is=True)
    assert len(source.train.labels) == 20
    assert "2 of 22 pictures" in caplog.text
    assert "large.png: is 40×40; data.as_is=true needs 28×28 pixels" in caplog.text


def test_other_files_of_a_tree_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    digits = sources.sample().train
    save_tree(tmp_path / "digits", digits.images[:20], digits.labels[:20])
    (tmp_path / "digits" / "3" / "notes.txt").touch()
    (tmp_path / "digits" / "letters").mkdir()
    sources.file(str(tmp_path / "digits"), as_is=True)
    assert "1 file skipped: .txt; 1 folder skipped: letters" in caplog.text

"""Distillation: the loss of a teacher, and runs that learn from one."""

import copy
import hashlib
import shutil
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
import torch
from helpers import (
    PowerCutError,
    assert_same_weights,
    interrupt,
    last_checkpoint,
    made_digits,
    read_metrics_json,
    train_small,
    trained_network,
)
from torch import Tensor, nn

from digits.data.sources import Digits
from digits.errors import InputError
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.training.distillation import Teacher
from digits.training.loss import TrainingLoss
from digits.training.module import DigitsModule

SmallRun = Callable[..., Path]
BATCH = Digits(*made_digits(20))
MODEL = "model=fast_cnn"  # without dropout and batch normalization, so that training and evaluation compute the same


class Halve(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return pixels / 2


def make_module(teacher: Teacher | None, weight: float = 1.0) -> DigitsModule:
    loss = TrainingLoss(teacher=teacher, teacher_weight=weight)
    module = DigitsModule(build_network("fast_cnn"), partial(torch.optim.SGD, lr=0.1), augment=Halve(), loss=loss)
    module.setup("fit")
    return module


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_loss_of_the_teachers_own_weights_is_the_entropy_of_its_probabilities(
    small_run: SmallRun, temperature: float
) -> None:
    folder = small_run(MODEL)
    module = make_module(Teacher(str(folder), temperature))
    module.network.load_state_dict(trained_network(last_checkpoint(folder)).state_dict())
    probabilities = (module.network(scale_images(BATCH.images) / 2) / temperature).softmax(1)  # of the augmented digits
    entropy = -(probabilities * probabilities.log()).sum(1).mean()
    loss = module.training_step(BATCH, 0)
    torch.testing.assert_close(loss, temperature**2 * entropy)
    gradients = torch.autograd.grad(loss, list(module.network.parameters()))
    assert all(gradient.abs().max() < 1e-4 for gradient in gradients)  # and it is the minimum


def test_teacher_averages_the_probabilities_of_its_networks(small_run: SmallRun) -> None:
    folders = [str(small_run(MODEL)), str(small_run("model=compact_cnn"))]
    pixels = scale_images(BATCH.images)
    with torch.no_grad():
        expected = sum(trained_network(last_checkpoint(Path(f)))(pixels).softmax(1) for f in folders) / 2
    torch.testing.assert_close(Teacher(folders)(pixels), expected)


def test_labels_have_the_rest_of_the_weight(small_run: SmallRun) -> None:
    teacher = Teacher(str(small_run(MODEL)))
    module = make_module(teacher, 0.25)
    mixed = module.training_step(BATCH, 0)
    losses = []
    for weight in (1.0, 0.0):
        module.loss = TrainingLoss(teacher=teacher, teacher_weight=weight)
        losses.append(module.training_step(BATCH, 0))
    torch.testing.assert_close(mixed, 0.25 * losses[0] + 0.75 * losses[1])
    module.loss = TrainingLoss()
    torch.testing.assert_close(losses[1], module.training_step(BATCH, 0))


def test_teacher_is_neither_trained_nor_saved(small_run: SmallRun) -> None:
    teacher = Teacher(str(small_run(MODEL)))
    before = teacher(scale_images(BATCH.images))
    module = make_module(teacher)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module.training_step(BATCH, 0).backward()
    optimizer.step()
    assert torch.equal(teacher(scale_images(BATCH.images)), before)
    assert not any("teacher" in name for name in module.state_dict())


def test_teacher_temperature_and_weight_change_the_weights(small_run: SmallRun) -> None:
    teacher = f"teacher={small_run(MODEL)}"
    settings: list[list[str]] = [[], [teacher], [teacher, "teacher_temperature=3"], [teacher, "teacher_weight=0.5"]]
    checkpoints = [last_checkpoint(small_run(MODEL, "seed=1", *each)) for each in settings]
    for one, other in combinations(checkpoints, 2):
        with pytest.raises(AssertionError):
            assert_same_weights(one, other)


def test_metrics_identify_the_teacher(small_run: SmallRun) -> None:
    folder = small_run(MODEL)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    metrics = read_metrics_json(small_run(MODEL, "seed=1", f"teacher={folder}"))
    assert metrics["teacher"] == {str(checkpoint): hashlib.sha256(checkpoint.read_bytes()).hexdigest()}


def test_unfinished_teacher_is_named(tmp_path: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, "on_train_epoch_start", 1, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "run-0", made_csv)
    with pytest.raises(InputError, match="run-0/checkpoints/last.ckpt belongs to an unfinished run"):
        Teacher(str(tmp_path / "run-*"))


def test_average_of_the_weights_shares_the_teacher(small_run: SmallRun) -> None:
    module = make_module(Teacher(str(small_run(MODEL))))
    assert copy.deepcopy(module).loss.teacher is module.loss.teacher


def test_resumed_distillation_equals_an_uninterrupted_one(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [MODEL, f"teacher={small_run(MODEL)}", "teacher_temperature=2", "teacher_weight=0.7", "seed=1"]
    uninterrupted = train_small(tmp_path / "one", made_csv, *settings)
    interrupt(monkeypatch, "on_train_epoch_start", 1, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "two", made_csv, *settings)
    monkeypatch.undo()
    resume = f"resume={tmp_path / 'two' / 'checkpoints' / 'last.ckpt'}"
    assert_same_weights(train_small(tmp_path / "two", made_csv, *settings, resume), uninterrupted)


def test_run_is_not_resumed_with_another_teacher(
    tmp_path: Path, made_csv: Path, small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = tmp_path / "teacher.ckpt"
    shutil.copy(small_run(MODEL) / "checkpoints" / "last.ckpt", teacher)
    interrupt(monkeypatch, "on_train_epoch_start", 1, PowerCutError())
    with pytest.raises(PowerCutError):
        train_small(tmp_path / "run", made_csv, MODEL, f"teacher={teacher}")
    monkeypatch.undo()
    shutil.copy(small_run("model=compact_cnn") / "checkpoints" / "last.ckpt", teacher)
    with pytest.raises(InputError, match="teacher: the run started with .*teacher.ckpt; resume"):
        train_small(
            tmp_path / "run", made_csv, MODEL, f"teacher={teacher}",
            f"resume={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}",
        )  # fmt: skip


def test_missing_teacher_is_named(tmp_path: Path, made_csv: Path) -> None:
    with pytest.raises(InputError, match="missing-"):
        train_small(tmp_path / "run", made_csv, f"teacher={tmp_path / 'missing-*'}")

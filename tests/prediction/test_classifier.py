"""A checkpoint is enough to predict, several make an ensemble, and nothing in them is executed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import SMALL, config, made_digits
from torch import Tensor

import digits
from digits.errors import InputError
from digits.models.networks import NETWORKS, build_network
from digits.prediction.classifier import Classifier, Member, load_classifier
from digits.runs.checkpoint import find_checkpoints, read_checkpoint
from digits.training.module import DigitsModule
from digits.training.train import train

IMAGES = made_digits(50)[0]


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, made_csv: Path) -> Path:
    """The folder of a run with another network, and without validation digits."""
    folder = tmp_path_factory.mktemp("other")
    train(config(*SMALL, "data=csv", f"data.train_csv={made_csv}", "data.val_size=0", "model=larger_cnn"), folder)
    return folder


def test_from_python(trained: Path) -> None:
    classifier = digits.load_classifier(trained)
    probabilities = classifier.predict(IMAGES)
    assert probabilities.shape == (50, 10)
    assert probabilities.dtype == torch.float32
    assert torch.allclose(probabilities.sum(1), torch.ones(50))
    assert torch.equal(classifier.predict(IMAGES.numpy()), probabilities)
    assert classifier.predict(IMAGES[:0]).shape == (0, 10)


@pytest.mark.parametrize("name", NETWORKS)
def test_predicts_what_the_module_does(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    module = DigitsModule(build_network(name), torch.optim.SGD)
    state = {"format": 1, "config": {"model": {"name": name}}, "temperature": 2.0}
    torch.save({"digits": state, "state_dict": module.state_dict()}, tmp_path / "some.ckpt")
    with torch.no_grad():
        expected = (module.eval()(IMAGES) / 2).softmax(1)
    assert torch.allclose(
        load_classifier(tmp_path / "some.ckpt", precision="32-true").predict(IMAGES), expected, atol=1e-6
    )


@pytest.mark.parametrize("images", [IMAGES.float(), IMAGES[0], IMAGES[:, :20]])
def test_other_images_are_refused(trained: Path, images: Tensor) -> None:
    with pytest.raises(InputError, match=r"images must be uint8 \[N, 28, 28\]"):
        load_classifier(trained).predict(images)


def test_an_ensemble_is_the_mean_of_its_members(trained: Path, other: Path) -> None:
    single = [load_classifier(path).predict(IMAGES) for path in (trained, other)]
    ensemble = load_classifier([trained, other])
    answers = ensemble.answer(IMAGES)
    assert torch.allclose(answers.probabilities, (single[0] + single[1]) / 2, atol=1e-6)
    assert torch.equal(answers.networks_disagree, single[0].argmax(1) != single[1].argmax(1))
    assert not answers.copies_disagree.any()
    assert ensemble.name == "fast_cnn + larger_cnn"


class Brightest(Member):
    """Says which of ten rows is the brightest, without being sure."""

    def __init__(self) -> None:
        super().__init__("brightest", torch.nn.Identity(), 1.0)

    def forward(self, images: Tensor) -> Tensor:
        return (images.float().mean(2)[:, 4:24:2] / 20).softmax(1)


def test_moved_copies() -> None:
    member = Brightest()
    classifier = Classifier([member], tta=5, seed=3)
    votes = classifier.votes(IMAGES)
    assert votes.shape == (1, 5, 50, 10)
    assert torch.equal(votes[0, 0], member(IMAGES))  # the first is not moved
    assert (votes[0, 1:] != votes[0, 0]).any(2).any(1).all()
    answers = classifier.answer(IMAGES)
    assert torch.allclose(answers.probabilities, votes.mean((0, 1)), atol=1e-6)
    assert answers.copies_disagree.any()
    assert not answers.networks_disagree.any()


def test_the_answer_for_a_digit_depends_on_nothing_but_the_digit() -> None:
    whole = Classifier([Brightest()], tta=4, seed=3).predict(IMAGES)
    again = Classifier([Brightest()], tta=4, seed=3).predict(IMAGES.flip(0), batch_size=7).flip(0)
    assert torch.allclose(whole, again, atol=1e-6)
    assert not torch.allclose(whole, Classifier([Brightest()], tta=4, seed=4).predict(IMAGES), atol=1e-3)


def test_a_move_keeps_the_digit() -> None:
    classifier = Classifier([Brightest()], tta=9)
    centre = torch.zeros(1, 28, 28, dtype=torch.uint8)
    centre[0, 10:18, 10:18] = 255
    seen: list[Tensor] = []
    classifier.members[0].forward = lambda images: seen.append(images) or torch.zeros(1, 10)  # type: ignore[func-returns-value]
    classifier.votes(centre)
    assert torch.equal(seen[0], centre)
    for copy in seen[1:]:
        assert copy.dtype == torch.uint8
        assert not torch.equal(copy, centre)
        assert abs(copy.float().sum() / centre.float().sum() - 1) < 0.15
        for axis in (1, 2):
            assert abs((copy.float().sum(axis) @ torch.arange(28.0)) / copy.float().sum() - 13.5) < 2


def test_checkpoints_are_found(trained: Path, other: Path, tmp_path: Path) -> None:
    last = trained / "checkpoints" / "last.ckpt"
    assert find_checkpoints(trained) == find_checkpoints(last) == [last]
    for name, source in (("run-0", trained), ("run-1", other)):
        shutil.copytree(source, tmp_path / name)
    (tmp_path / "run-2").mkdir()  # without a checkpoint: one of a sweep that failed
    both = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("run-0", "run-1")]
    assert find_checkpoints(f"{tmp_path}/run-*") == both
    assert find_checkpoints(f"{tmp_path}/run-*/checkpoints/*.ckpt") == both
    assert find_checkpoints([str(path) for path in both]) == both
    with pytest.raises(InputError, match="run-2: a folder without a checkpoint"):
        find_checkpoints(tmp_path / "run-2")
    with pytest.raises(InputError, match="matches no checkpoint"):
        find_checkpoints(f"{tmp_path}/nowhere-*")
    with pytest.raises(InputError, match="nowhere.ckpt: no such checkpoint"):
        load_classifier(tmp_path / "nowhere.ckpt")


def test_a_folder_is_the_checkpoint_that_was_scored(tmp_path: Path, made_csv: Path) -> None:
    train(config(*SMALL, "data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "weights=best"), tmp_path)
    assert find_checkpoints(tmp_path) == [tmp_path / "checkpoints" / "best.ckpt"]
    assert load_classifier(tmp_path).members[0].calibrated
    assert not load_classifier(tmp_path / "checkpoints" / "last.ckpt").members[0].calibrated  # other weights


class Malice:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_does_not_run(trained: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(trained / "checkpoints" / "last.ckpt")
    torch.save(checkpoint | {"extra": Malice(tmp_path / "harm")}, tmp_path / "evil.ckpt")
    with pytest.raises(
        InputError, match="evil.ckpt: damaged, or not a checkpoint of this project; nothing in it was run"
    ):
        load_classifier(tmp_path / "evil.ckpt")
    assert not (tmp_path / "harm").exists()


def test_a_configuration_in_a_checkpoint_instantiates_nothing(trained: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(trained / "checkpoints" / "last.ckpt")
    checkpoint["digits"]["config"]["model"] = {
        "_target_": "os.mkdir",
        "path": str(tmp_path / "harm"),
        "name": "fast_cnn",
    }
    torch.save(checkpoint, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match="evil.ckpt"):
        load_classifier(tmp_path / "evil.ckpt")
    assert not (tmp_path / "harm").exists()


def change(checkpoint: dict[str, Any], where: str, value: Any) -> None:
    *path, last = where.split("/")
    for key in path:
        checkpoint = checkpoint[key]
    checkpoint[last] = value


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("digits", 3, "not a checkpoint of this project"),
        ("state_dict", None, "not a checkpoint of this project"),
        ("digits/format", 2, "format 2, but this version of digits reads format 1"),
        ("digits/config", None, "does not say which network"),
        ("digits/config/model", None, "damaged; its weights are not those of the network"),
        ("digits/config/model/name", "resnet", "resnet: no such network"),
        ("digits/config/model/name", "m3", "its weights are not those of the network that it names"),
        ("digits/temperature", "hot", "damaged"),
        ("digits/temperature", -1.0, "damaged"),
        ("digits/temperature", 0.0, "damaged"),
        ("digits/temperature", float("nan"), "damaged"),
        ("digits/format", True, "format True"),
        ("state_dict/network.0.weight", 3, "damaged"),
        ("state_dict/network.0.weight", torch.full((24, 1, 5, 5), float("nan")), "not finite"),
    ],
)
def test_edited_checkpoints(trained: Path, tmp_path: Path, where: str, value: Any, message: str) -> None:
    checkpoint = read_checkpoint(trained / "checkpoints" / "last.ckpt")
    change(checkpoint, where, value)
    torch.save(checkpoint, tmp_path / "edited.ckpt")
    with pytest.raises(InputError, match=rf"edited\.ckpt: .*{message}") as raised:
        load_classifier(tmp_path / "edited.ckpt")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 100, None])
def test_bytes_that_are_no_checkpoint(trained: Path, tmp_path: Path, content: bytes | None) -> None:
    whole = (trained / "checkpoints" / "last.ckpt").read_bytes()
    (tmp_path / "some.ckpt").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError, match="damaged, or not a checkpoint"):
        load_classifier(tmp_path / "some.ckpt")


def test_a_single_changed_byte_is_noticed(trained: Path, tmp_path: Path) -> None:
    content = bytearray((trained / "checkpoints" / "last.ckpt").read_bytes())
    content[len(content) // 2] ^= 64
    (tmp_path / "some.ckpt").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        load_classifier(tmp_path / "some.ckpt")


def test_calibrated_confidence(trained: Path, other: Path) -> None:
    assert all(member.calibrated for member in load_classifier(trained).members)
    assert not any(member.calibrated for member in load_classifier(other).members)
    temperature = read_checkpoint(trained / "checkpoints" / "last.ckpt")["digits"]["temperature"]
    assert load_classifier(trained).members[0].temperature == temperature


def test_predicts_without_lightning(trained: Path) -> None:
    program = f"""
import sys, numpy, digits
assert "torch" not in sys.modules
digits.load_classifier({str(trained)!r}).predict(numpy.zeros((2, 28, 28), numpy.uint8))
assert "lightning" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)

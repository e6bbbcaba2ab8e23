"""The wheel of the project, installed in an empty environment: with the packages of prediction, and with all."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from helpers import PROJECT, SMALL, frame, read_metrics_json

from digits.data.sources import sample

pytest.importorskip("uv")
pytestmark = pytest.mark.slow

BIN = "Scripts" if os.name == "nt" else "bin"


def uv(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs uv. Skips the test if a package can neither be downloaded nor found in the cache."""
    command = [sys.executable, "-m", "uv", *words]
    process = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    unreachable = ("Failed to fetch", "error sending request", "dns error", "not found in the cache", "network")
    for text in unreachable:
        if process.returncode and text in process.stderr:
            pytest.skip(f"packages cannot be installed here: {process.stderr.strip().splitlines()[-1]}")
    assert process.returncode == 0, process.stderr
    return process


def run(environment: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program of an environment, without the packages of this process."""
    program = environment / BIN / words[0]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(program), *words[1:]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=variables, timeout=600, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(PROJECT))
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the packages of `make install-predict`."""
    folder = tmp_path_factory.mktemp("light")
    venv.create(folder, with_pip=False)
    python = ["--quiet", "--python", str(folder / BIN / "python")]
    uv("pip", "install", *python, "--require-hashes", "--requirement", str(PROJECT / "requirements-predict.lock"))
    uv("pip", "install", *python, "--no-deps", str(wheel))
    return folder


@pytest.fixture(scope="module")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the packages that run this test. Python reads the paths in a .pth file."""
    folder = tmp_path_factory.mktemp("full")
    venv.create(folder, with_pip=False)
    uv("pip", "install", "--quiet", "--python", str(folder / BIN / "python"), "--no-deps", str(wheel))
    [packages] = (folder / "lib").glob("python*/site-packages") if os.name != "nt" else [folder / "Lib/site-packages"]
    installed = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    (packages / "installed.pth").write_text("\n".join(installed))
    return folder


@pytest.fixture
def digit_files(tmp_path: Path) -> Path:
    """A folder with a picture and a CSV file."""
    images, labels = sample().test or ()
    shutil.copy(PROJECT / "docs" / "photo.jpg", tmp_path)
    frame(images[:20], labels[:20]).to_csv(tmp_path / "test.csv", index=False)
    return tmp_path


def test_light_installation_has_no_heavy_package(light: Path, tmp_path: Path) -> None:
    names = ("torch", "lightning", "pandas", "matplotlib", "torchvision", "torchmetrics")
    program = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"
    assert run(light, "python", "-c", program, folder=tmp_path).stdout == "[]\n"


def test_light_installation_predicts(light: Path, digit_files: Path) -> None:
    photo = run(light, "digits", "predict", "input=photo.jpg", folder=digit_files)
    assert photo.returncode == 0, photo.stderr
    assert photo.stdout == "file,Label\nphoto.jpg,7\n"
    table = run(light, "python", "-m", "digits", "predict", "input=test.csv", "output=out.csv", folder=digit_files)
    assert table.returncode == 0, table.stderr
    labels = sample().test.labels[:20].tolist()  # type: ignore[union-attr]
    expected = ["ImageId,Label", *(f"{row},{label}" for row, label in enumerate(labels, 1))]
    assert (digit_files / "out.csv").read_text().splitlines() == expected
    assert sorted(path.name for path in digit_files.iterdir()) == ["out.csv", "photo.jpg", "test.csv"]


@pytest.mark.parametrize("words", ["", "-m seed=0,1", "experiment=compact name=x", "find=lr"])
def test_light_installation_refuses_training_in_one_line(light: Path, tmp_path: Path, words: str) -> None:
    process = run(light, "digits", "train", *words.split(), folder=tmp_path)
    line = "error: training needs PyTorch and Lightning: make install\n"
    assert (process.returncode, process.stdout, process.stderr) == (1, "", line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "message"), [
    ("input=photo.jpg checkpoint=model.ckpt", "needs PyTorch: make install"),
    ("page=page.html", "needs PyTorch: make install"),
    ("export=model.onnx", "needs PyTorch: make install"),
    ("input=photo.jpg preview=seen.png", "needs matplotlib: make install"),
])  # fmt: skip
def test_light_installation_names_what_a_feature_needs(
    light: Path, digit_files: Path, trained: Path, words: str, message: str
) -> None:
    shutil.copy(trained / "checkpoints" / "last.ckpt", digit_files / "model.ckpt")
    before = sorted(digit_files.iterdir())
    process = run(light, "digits", "predict", *words.split(), folder=digit_files)
    assert (process.returncode, process.stdout) == (1, "")
    assert message in process.stderr
    assert process.stderr.count("\n") == 1
    assert sorted(digit_files.iterdir()) == before


def test_help_is_that_of_the_repository(light: Path, tmp_path: Path) -> None:
    for command in ("train", "predict"):
        installed = run(light, "digits", command, "--help", folder=tmp_path)
        here = subprocess.run(
            [sys.executable, "-m", "digits", command, "--help"], cwd=tmp_path, capture_output=True, text=True
        )
        assert (installed.returncode, installed.stderr, installed.stdout) == (0, "", here.stdout)


def test_wheel_trains_and_predicts_in_an_empty_folder(full: Path, digit_files: Path) -> None:
    """With the configurations in the wheel, and with one of the user."""
    (digit_files / "my_conf" / "experiment").mkdir(parents=True)
    recipe = "# @package _global_\ndefaults:\n  - override /model: fast_cnn\ntrainer: {max_epochs: 1}\n"
    (digit_files / "my_conf" / "experiment" / "mine.yaml").write_text(recipe)
    own = ["--config-dir", "my_conf", "experiment=mine", "name=first"]
    training = run(full, "digits", "train", *own, *SMALL[:2], folder=digit_files)
    assert training.returncode == 0, training.stderr
    metrics = read_metrics_json(digit_files / "outputs" / "first")
    assert (metrics["status"], metrics["choices"]["model"]) == ("completed", "fast_cnn")
    prediction = run(full, "digits", "predict", "checkpoint=outputs/first", "input=test.csv", folder=digit_files)
    assert prediction.returncode == 0, prediction.stderr
    assert prediction.stdout.count("\n") == 21
